package main

import "testing"

func TestConnectionsLeaveTheStoreItsFiles(t *testing.T) {
	for name, c := range map[string]struct {
		files, listeners, wanted int
		want                     fileShare
	}{
		"no limit":            {anyFiles, 2, 10_000, fileShare{0, 10_000}},
		"no limit, no bound":  {anyFiles, 2, 0, fileShare{0, 0}},
		"a generous limit":    {1 << 19, 2, 10_000, fileShare{1000, 10_000}},
		"two listeners share": {4096, 2, 10_000, fileShare{1000, 1498}},
		"one has it all":      {4096, 1, 10_000, fileShare{1000, 2996}},
		"fewer are wanted":    {4096, 1, 500, fileShare{1000, 500}},
		"no bound is wanted":  {1024, 1, 0, fileShare{256, 668}},
		"a low limit":         {256, 1, 10_000, fileShare{74, 118}},
		"next to nothing":     {64, 1, 10_000, fileShare{74, 16}},
		"nothing":             {2, 1, 10_000, fileShare{74, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			got := shareFiles(c.files, c.listeners, c.wanted)
			if got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
			if c.files >= 256 && c.files < anyFiles && got.store+c.listeners*got.connections > c.files {
				t.Errorf("%+v is more than %d", got, c.files)
			}
		})
	}
}
