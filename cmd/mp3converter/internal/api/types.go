package api

import (
	"time"

	"mp3converter/shared/audio"
)

// State is where a file is in its life.
type State string

// The states of the contract.
const (
	AwaitingUpload State = "awaiting_upload"
	Queued         State = "queued"
	Converting     State = "converting"
	Ready          State = "ready"
	Failed         State = "failed"
	Expired        State = "expired"
)

// Token is what signing in gives.
type Token struct {
	AccessToken string `json:"access_token"`
	// ExpiresIn is in seconds.
	ExpiresIn int64 `json:"expires_in"`
}

// UploadRequest announces a video.
type UploadRequest struct {
	Filename string `json:"filename"`
	// Size is in bytes.
	Size  int64          `json:"size"`
	Audio *audio.Options `json:"audio,omitempty"`
}

// PresignedPut says how to send the video's bytes to storage. The URL is a secret while it lasts.
type PresignedPut struct {
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	ExpiresAt time.Time         `json:"expires_at"`
}

// Upload is the answer to an announcement.
type Upload struct {
	FID    string       `json:"fid"`
	Upload PresignedPut `json:"upload"`
}

// UploadStatus is the state of an announced upload; Upload is there while the video is awaited.
type UploadStatus struct {
	FID    string        `json:"fid"`
	State  State         `json:"state"`
	Upload *PresignedPut `json:"upload"`
}

// File is one of the person's files.
type File struct {
	FID      string `json:"fid"`
	Filename string `json:"filename"`
	State    State  `json:"state"`
	// Progress is 0 to 100.
	Progress int `json:"progress"`
	// Size is the video's, in bytes.
	Size  int64         `json:"size"`
	Audio audio.Options `json:"audio"`
	// MP3Size is in bytes.
	MP3Size         int64     `json:"mp3_size,omitempty"`
	DurationSeconds float64   `json:"duration_seconds,omitempty"`
	Error           *Reason   `json:"error,omitempty"`
	CostUSD         *float64  `json:"cost_usd,omitempty"`
	CreatedAt       time.Time `json:"created_at"`
	FinishedAt      time.Time `json:"finished_at,omitzero"`
	ExpiresAt       time.Time `json:"expires_at"`
}

// Reason is why a conversion failed, in one sentence for the person.
type Reason struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// FilePage is a page of files, newest first; Next is empty on the last.
type FilePage struct {
	Files []File `json:"files"`
	Next  string `json:"next"`
}

// DownloadLink leads to an MP3. The URL is a secret while it lasts.
type DownloadLink struct {
	URL      string `json:"url"`
	Filename string `json:"filename"`
	// Size is in bytes.
	Size      int64     `json:"size"`
	ExpiresAt time.Time `json:"expires_at"`
}
