package mp3

// frameCRC is the CRC-16 of a protected frame: generator x^16+x^15+x^2+1, most significant bit first, over the last
// two bytes of the header and the side information (ISO 11172-3 §2.4.3.1).
func frameCRC(h Header, frame []byte) uint16 {
	crc := uint16(0xffff)
	for _, part := range [2][]byte{frame[2:HeaderSize], frame[h.sideInfoAt():h.MainDataAt()]} {
		for _, b := range part {
			crc = crc<<8 ^ frameCRCTable[byte(crc>>8)^b]
		}
	}
	return crc
}

// putCRC makes a frame's CRC right, if it has one.
func putCRC(h Header, frame []byte) {
	if h.Protected {
		crc := frameCRC(h, frame)
		frame[HeaderSize], frame[HeaderSize+1] = byte(crc>>8), byte(crc)
	}
}

// updateCRC goes on with the LAME tag's CRC-16: the same generator, least significant bit first, starting from 0. All
// of a file passes through it, so it takes eight bytes at a time.
func updateCRC(crc uint16, data []byte) uint16 {
	t := &tagCRCTables
	for len(data) >= 8 {
		b := data[:8:8]
		crc = t[7][b[0]^byte(crc)] ^ t[6][b[1]^byte(crc>>8)] ^ t[5][b[2]] ^ t[4][b[3]] ^ t[3][b[4]] ^ t[2][b[5]] ^ t[1][b[6]] ^ t[0][b[7]]
		data = data[8:]
	}
	for _, b := range data {
		crc = crc>>8 ^ t[0][byte(crc)^b]
	}
	return crc
}

var frameCRCTable, tagCRCTables = crcTables()

// crcTables are by the byte that goes out of the CRC; tag's k-th is for one that k more bytes follow.
func crcTables() (frame [256]uint16, tag [8][256]uint16) {
	for i := range 256 {
		m, l := uint16(i)<<8, uint16(i)
		for range 8 {
			m = m<<1 ^ 0x8005*(m>>15)
			l = l>>1 ^ 0xa001*(l&1)
		}
		frame[i], tag[0][i] = m, l
	}
	for k := 1; k < len(tag); k++ {
		for i, crc := range tag[k-1] {
			tag[k][i] = crc>>8 ^ tag[0][byte(crc)]
		}
	}
	return frame, tag
}
