package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/oauth"
)

// keysDocument is the document in which the node that started last names its keys, by
// their fingerprints, so that a node which was given other keys is told.
const keysDocument = "nodes/keys"

// compareKeys warns if other nodes may write to the store, and the one that started last has
// none of this node's keys that sign, or none of those that derive. Then this node's keys
// take the place of the other's: a store that was restored is warned of once.
func compareKeys(store rollcall.Store, dir string, log *slog.Logger) error {
	if !store.Traits().Shared {
		return nil
	}
	infos, err := oauth.ListKeys(dir, time.Now())
	if err != nil {
		return err
	}
	own := map[string][]string{}
	for _, k := range infos {
		own[k.Use] = append(own[k.Use], k.ID)
	}
	ctx, cancel := context.WithTimeout(context.Background(), reaching)
	defer cancel()
	d, err := store.Document(ctx, keysDocument)
	if err != nil {
		return err
	}
	if d.Version > 0 {
		var others map[string][]string
		if err := json.Unmarshal(d.Body, &others); err != nil {
			return err
		}
		for _, use := range []string{oauth.KeySigns, oauth.KeyDerives} {
			if !slices.ContainsFunc(own[use], func(id string) bool { return slices.Contains(others[use], id) }) {
				log.Warn("the node that started last on this store has other keys: each refuses tokens of the other, and one Idempotency-Key makes a session at each; give all nodes the same keys", "use", use, "keys", dir)
			}
		}
	}
	body, err := json.Marshal(own) // with its names in one order
	if err != nil || string(body) == string(d.Body) {
		return err
	}
	_, err = store.Commit(ctx, rollcall.Change{Documents: []rollcall.PutDocument{{Name: keysDocument, Body: body, Replaces: d.Version}}})
	if errors.Is(err, rollcall.ErrConflict) { // another node starts at the same moment
		err = nil
	}
	return err
}
