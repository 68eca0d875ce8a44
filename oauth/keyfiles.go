package oauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-id/rollcall"
)

// A keyKind is a kind of keys in the key directory. The first key of a kind has a name of
// its own, each later one carries the instant it was made in its name, and the newest is the
// one that a server uses.
type keyKind struct {
	what                  string // in messages
	first, prefix, suffix string // of names
	// life is how long what a key has made can count.
	life time.Duration
}

const (
	signingFile    = "signing.pem"
	derivationFile = "derivation.key"
	keyTime        = "20060102T150405.000Z"
	// maxKeys bounds how many keys of a kind there may be.
	maxKeys = 32
)

var (
	signingKind = keyKind{"signing", signingFile, "signing-", ".pem", TokenLifetime}
	// What a derivation key has made can be asked for again for the IdempotencyWindow, and
	// as much longer as a clock that was set back makes of that.
	derivationKind = keyKind{"derivation", derivationFile, "derivation-", ".key", 2 * rollcall.IdempotencyWindow}
)

// takenFile notes which key of each kind a server uses, and since when: a key that was made
// is used only once a server has read it, and until then its predecessor is.
const takenFile = "taken.json"

// A keyFile is what is known of a key beside the key itself.
type keyFile struct {
	id      string // as takenFile has it
	path    string
	created time.Time
	taken   time.Time // when a server first used the key; zero if none has
	until   time.Time // when the key is dropped; zero if nothing has followed it
}

func (k *keyFile) isOver(now time.Time) bool { return !k.until.IsZero() && !now.Before(k.until) }

// A keyData is a key's file as it was read.
type keyData struct {
	keyFile
	data []byte
}

// read reads the keys of the kind, those that are over too, oldest first. Their ids are not
// known yet.
func (kind *keyKind) read(dir string) ([]keyData, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var keys []keyData
	for _, e := range entries {
		if e.Name() != kind.first && (!strings.HasPrefix(e.Name(), kind.prefix) || !strings.HasSuffix(e.Name(), kind.suffix)) {
			continue
		}
		if len(keys) == maxKeys {
			return nil, fmt.Errorf("there are more than %d %s keys in %s", maxKeys, kind.what, dir)
		}
		k, err := kind.readOne(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", filepath.Join(dir, e.Name()), err)
		}
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b keyData) int {
		if isFirst := filepath.Base(a.path) == kind.first; isFirst || filepath.Base(b.path) == kind.first {
			return map[bool]int{true: -1, false: 1}[isFirst]
		}
		return a.created.Compare(b.created)
	})
	return keys, nil
}

func (kind *keyKind) readOne(path string) (k keyData, err error) {
	k.path = path
	if k.data, err = readKey(path); err != nil {
		return k, err
	}
	if filepath.Base(path) != kind.first {
		k.created, err = time.Parse(keyTime, strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), kind.prefix), kind.suffix))
		return k, err
	}
	info, err := os.Stat(path)
	if err == nil {
		k.created = info.ModTime()
	}
	return k, err
}

// keyFiles are all keys of a kind, oldest first.
type keyFiles []*keyFile

// complete adds to keys with ids what taken says of them.
func (f keyFiles) complete(kind *keyKind, taken map[string]time.Time) error {
	for i, k := range f {
		if at := slices.IndexFunc(f[:i], func(other *keyFile) bool { return other.id == k.id }); at >= 0 {
			return fmt.Errorf("%s and %s are the same key: remove one", f[at].path, k.path)
		}
		k.taken = taken[k.id]
	}
	f.end(kind)
	return nil
}

// end says of each key until when it is kept: as long as something can count that it made
// just before a server took one of its successors.
func (f keyFiles) end(kind *keyKind) {
	var next time.Time
	for i := len(f) - 1; i >= 0; i-- {
		if !next.IsZero() {
			f[i].until = next.Add(kind.life)
		}
		if t := f[i].taken; !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
}

// newest is the key that a server uses.
func (f keyFiles) newest() *keyFile { return f[len(f)-1] }

// inUse is the index of the key that a server uses until it reads the directory anew. Before
// any has, that is the newest.
func (f keyFiles) inUse() int {
	for i := len(f) - 1; i >= 0; i-- {
		if !f[i].taken.IsZero() {
			return i
		}
	}
	return len(f) - 1
}

// take notes in the keys that a server uses the newest from now on, and reports whether that
// is new.
func (f keyFiles) take(kind *keyKind, now time.Time) bool {
	k := f.newest()
	if !k.taken.IsZero() {
		return false
	}
	k.taken = now.UTC().Truncate(time.Second)
	f.end(kind)
	return true
}

// add makes a further key of the kind, newer than every other whatever the clock says, and
// removes the files of keys that are over.
func (f keyFiles) add(dir string, kind *keyKind, data []byte, now time.Time) (path string, created time.Time, err error) {
	if len(f) >= maxKeys {
		return "", now, fmt.Errorf("there are %d %s keys already: reload the server, so that the old ones come to their end", len(f), kind.what)
	}
	created = now.UTC().Truncate(time.Millisecond)
	if len(f) > 0 && !created.After(f.newest().created) {
		created = f.newest().created.UTC().Truncate(time.Millisecond).Add(time.Millisecond)
	}
	path = filepath.Join(dir, kind.prefix+created.Format(keyTime)+kind.suffix)
	if err := createFile(path, data); err != nil {
		return "", created, err
	}
	for _, k := range f {
		if k.isOver(now) {
			if err := os.Remove(k.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return "", created, err
			}
		}
	}
	return path, created, nil
}

// infos describes the keys, newest first, each as describe begins to; that in use has the
// state inUse.
func (f keyFiles) infos(now time.Time, inUse string, describe func(i int) KeyInfo) (infos []KeyInfo) {
	for i := len(f) - 1; i >= 0; i-- {
		k, info := f[i], describe(i)
		info.ID, info.Created, info.State = k.id, k.created.UTC().Truncate(time.Millisecond), KeyNext
		if !k.until.IsZero() {
			info.Until = k.until.UTC()
		}
		switch used := f.inUse(); {
		case i == used:
			info.State = inUse
		case k.isOver(now):
			info.State = KeyOver
		case i < used:
			info.State = KeyOld
		}
		infos = append(infos, info)
	}
	return infos
}

func readTaken(dir string) (map[string]time.Time, error) {
	path := filepath.Join(dir, takenFile)
	data, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseTaken(path, data)
}

func parseTaken(path string, data []byte) (map[string]time.Time, error) {
	var taken map[string]time.Time
	if err := json.Unmarshal(data, &taken); err != nil {
		return nil, fmt.Errorf("reading %s: %w (the file can be removed: old keys then stay longer)", rollcall.Echo(path), err)
	}
	return taken, nil
}

// writeTaken notes what is known of keys of all kinds.
func writeTaken(dir string, kinds ...keyFiles) error {
	taken := map[string]time.Time{}
	for _, k := range slices.Concat(kinds...) {
		if !k.taken.IsZero() {
			taken[k.id] = k.taken
		}
	}
	data, err := json.MarshalIndent(taken, "", "  ")
	if err == nil {
		err = replaceFile(filepath.Join(dir, takenFile), append(data, '\n'))
	}
	return err
}
