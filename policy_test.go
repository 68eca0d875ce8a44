package rollcall_test

import (
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

func TestDefaultLifetimesAreThePublishedOnes(t *testing.T) {
	p := rollcall.DefaultPolicy()
	if p.Persistent != (rollcall.Lifetimes{Absolute: 168 * time.Hour, Idle: 72 * time.Hour}) {
		t.Errorf("persistent: %+v", p.Persistent)
	}
	if p.NonPersistent != (rollcall.Lifetimes{Absolute: 72 * time.Hour, Idle: 24 * time.Hour}) {
		t.Errorf("non-persistent: %+v", p.NonPersistent)
	}
	if err := p.Check(); err != nil {
		t.Error(err)
	}
}

func TestWhatACreatorAsksForOnlyShortens(t *testing.T) {
	p := rollcall.DefaultPolicy()
	for _, tt := range []struct{ asked, want rollcall.Lifetimes }{
		{rollcall.Lifetimes{}, p.Persistent},
		{rollcall.Lifetimes{Absolute: time.Hour}, rollcall.Lifetimes{Absolute: time.Hour, Idle: time.Hour}},
		{rollcall.Lifetimes{Idle: time.Hour}, rollcall.Lifetimes{Absolute: 168 * time.Hour, Idle: time.Hour}},
		{rollcall.Lifetimes{Absolute: 9000 * time.Hour, Idle: 9000 * time.Hour}, p.Persistent},
	} {
		if got := p.Shorten(rollcall.Persistent, tt.asked); got != tt.want {
			t.Errorf("asked %+v: got %+v, want %+v", tt.asked, got, tt.want)
		}
	}
}

func TestPolicyThatCannotHoldIsRefused(t *testing.T) {
	for name, change := range map[string]func(*rollcall.Policy){
		"no lifetime":        func(p *rollcall.Policy) { p.Persistent.Absolute = 0 },
		"negative idle":      func(p *rollcall.Policy) { p.NonPersistent.Idle = -time.Hour },
		"beyond the ceiling": func(p *rollcall.Policy) { p.Persistent.Absolute = rollcall.MaxLifetime + 1 },
		"idle over absolute": func(p *rollcall.Policy) { p.Persistent.Idle = p.Persistent.Absolute + 1 },
		"negative limit":     func(p *rollcall.Policy) { p.MaxSessionsPerUser = -1 },
		"unknown answer":     func(p *rollcall.Policy) { p.AtLimit = "shrug" },
	} {
		p := rollcall.DefaultPolicy()
		change(&p)
		if rollcall.ErrorCode(p.Check()) != rollcall.CodeInvalid {
			t.Errorf("%s: accepted", name)
		}
	}
}
