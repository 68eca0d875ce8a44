package wire_test

import (
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// usual is a session as most are.
func usual() rollcall.Session {
	began := time.UnixMilli(1757000506145).UTC()
	const agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
	return rollcall.Session{
		ID: "Zk3uV8mQe1T0xYwB5rLhNc7AoPsDfGjK", UserID: "auth0|66d7f1a2b3c4d5e6f7081920",
		CreatedAt: began, UpdatedAt: began, AuthenticatedAt: began, ExpiresAt: began.Add(8760 * time.Hour),
		CookieMode: rollcall.NonPersistent,
		Methods:    []rollcall.Method{{Name: "pwd", At: began}, {Name: "mfa", Type: "otp", At: began.Add(time.Minute)}},
		Clients:    []string{"web-application"},
		Metadata:   []rollcall.MetadataEntry{{Key: "device_name", Value: "laptop"}},
		Initial:    rollcall.Origin{IP: "203.0.113.7", UserAgent: agent, ASN: "64496"},
		Last: rollcall.Interaction{
			At: began.Add(50 * time.Hour), IdleExpiresAt: began.Add(122 * time.Hour),
			Origin: rollcall.Origin{IP: "203.0.113.7", UserAgent: agent, ASN: "64496"},
		},
	}
}

func BenchmarkAppendSession(b *testing.B) {
	s := usual()
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		buffer = wire.AppendSession(buffer[:0], &s)
	}
	b.SetBytes(int64(len(buffer)))
}

func BenchmarkAppendTime(b *testing.B) {
	s := usual()
	var buffer [64]byte
	for b.Loop() {
		wire.AppendTime(buffer[:0], s.CreatedAt)
	}
}

func BenchmarkAppendString(b *testing.B) {
	s := usual()
	var buffer [200]byte
	for b.Loop() {
		wire.AppendString(buffer[:0], s.Initial.UserAgent)
	}
}
