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

// updateCRC goes on with the LAME tag's CRC-16: the same generator, least significant bit first, starting from 0.
func updateCRC(crc uint16, data []byte) uint16 {
	for _, b := range data {
		crc = crc>>8 ^ tagCRCTable[byte(crc)^b]
	}
	return crc
}

var frameCRCTable, tagCRCTable = crcTables()

func crcTables() (msb, lsb [256]uint16) {
	for i := range 256 {
		m, l := uint16(i)<<8, uint16(i)
		for range 8 {
			m = m<<1 ^ 0x8005*(m>>15)
			l = l>>1 ^ 0xa001*(l&1)
		}
		msb[i], lsb[i] = m, l
	}
	return msb, lsb
}
