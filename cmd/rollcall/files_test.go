package main

import "testing"

func TestConnectionsLeaveTheStoreItsFiles(t *testing.T) {
	for files, want := range map[int]fileShare{
		anyFiles: {0, 0},
		1 << 19:  {1000, 1<<19 - 1100},
		4096:     {1000, 2996},
		1024:     {256, 668},
		256:      {74, 118},
		64:       {74, 16}, // the store makes do with no fewer
		2:        {74, 1},
	} {
		got := shareFiles(files)
		if got != want {
			t.Errorf("%d: %+v, want %+v", files, got, want)
		}
		if files >= 256 && got.store+got.connections > files {
			t.Errorf("%d: %+v is more", files, got)
		}
	}
}
