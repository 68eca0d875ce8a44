package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/rollcall-id/rollcall"
)

func TestAServerWithoutSettingsHasTheDefaultPolicy(t *testing.T) {
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	addFlags(flags)
	cfg, err := loadConfig(flags, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rollcall.DefaultPolicy(), policy(cfg)); diff != "" {
		t.Errorf("acr=aal2 is refused to everybody when the levels are missing (-want +got):\n%s", diff)
	}
}
