package secretfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhoElseMayReadOrChangeASecretIsRefusedOrWarnedOf(t *testing.T) {
	app := &process{uid: 1000, gid: 1000, groups: []int{1000, 2000}} // 2000 is an fsGroup
	root := &process{uid: 0, gid: 0, groups: []int{0}}
	const dir, sticky, link = fs.ModeDir, fs.ModeDir | fs.ModeSticky, fs.ModeSymlink
	const good, warned, refused = "good", "warned", "refused"
	for name, tt := range map[string]struct {
		process *process
		use     Use
		itself  bool
		at      place
		want    string
	}{
		"a key of ours":                                 {app, Secret, true, place{mode: 0o600, uid: 1000, gid: 1000}, good},
		"a key of root":                                 {app, Secret, true, place{mode: 0o400, uid: 0, gid: 0}, good},
		"a key of another":                              {app, Secret, true, place{mode: 0o600, uid: 1001}, refused},
		"a key of another, to root":                     {root, Secret, true, place{mode: 0o600, uid: 1001}, refused},
		"a key of another, mounted read-only":           {app, Secret, true, place{mode: 0o600, uid: 1001, readOnly: true}, refused},
		"a key that all can read":                       {app, Secret, true, place{mode: 0o604, uid: 1000}, refused},
		"a key that all can write":                      {app, Secret, true, place{mode: 0o602, uid: 1000}, refused},
		"a key that all can run":                        {app, Secret, true, place{mode: 0o601, uid: 1000}, refused},
		"a key that all can read, mounted read-only":    {app, Secret, true, place{mode: 0o444, uid: 0, readOnly: true}, refused},
		"a key of the process's own group":              {app, Secret, true, place{mode: 0o640, uid: 1000, gid: 1000}, refused},
		"a key of fsGroup":                              {app, Secret, true, place{mode: 0o660, uid: 1000, gid: 2000}, warned},
		"a Secret with defaultMode 0440":                {app, Secret, true, place{mode: 0o440, uid: 0, gid: 2000, readOnly: true}, warned},
		"a key of a group of others":                    {app, Secret, true, place{mode: 0o640, uid: 1000, gid: 3000}, refused},
		"a key of root's group, to root":                {root, Secret, true, place{mode: 0o640, uid: 0, gid: 0}, warned},
		"a key of root's group, to somebody else":       {app, Secret, true, place{mode: 0o640, uid: 0, gid: 0}, refused},
		"a folder that all can read":                    {app, Secret, true, place{mode: dir | 0o755, uid: 1000}, good},
		"a folder that all can write to":                {app, Secret, true, place{mode: dir | 0o777, uid: 1000}, refused},
		"a sticky one":                                  {app, Secret, true, place{mode: sticky | 0o777, uid: 0}, good},
		"one that is mounted read-only":                 {app, Secret, true, place{mode: dir | 0o777, uid: 0, readOnly: true}, good},
		"one of another":                                {app, Secret, true, place{mode: dir | 0o700, uid: 1001}, refused},
		"one of fsGroup":                                {app, Secret, true, place{mode: dir | fs.ModeSetgid | 0o770, uid: 1000, gid: 2000}, warned},
		"one of the process's own group":                {app, Secret, true, place{mode: dir | 0o770, uid: 1000, gid: 1000}, refused},
		"the folder that holds a key, of our own group": {app, Secret, false, place{mode: dir | 0o770, uid: 1000, gid: 1000}, refused},
		"a folder further up, of our own group":         {app, Secret, false, place{mode: dir | 0o775, uid: 1000, gid: 1000, above: true}, warned},
		"a folder further up, of another":               {root, Secret, false, place{mode: dir | 0o755, uid: 1001, above: true}, warned},
		"a folder further up that all can write to":     {app, Secret, false, place{mode: dir | 0o777, uid: 0, above: true}, refused},
		"a link of ours":                                {app, Secret, false, place{mode: link | 0o777, uid: 1000, above: true}, good},
		"a link of another":                             {app, Secret, false, place{mode: link | 0o777, uid: 1001, above: true}, refused},
		"a configuration that all can read":             {app, Decides, true, place{mode: 0o644, uid: 0}, good},
		"a configuration that all can write":            {app, Decides, true, place{mode: 0o666, uid: 1000}, refused},
		"a configuration that our group can write":      {app, Decides, true, place{mode: 0o664, uid: 1000, gid: 1000}, refused},
		"a configuration that fsGroup can write":        {app, Decides, true, place{mode: 0o664, uid: 1000, gid: 2000}, warned},
		"a configuration of another":                    {app, Decides, true, place{mode: 0o644, uid: 1001}, refused},
		"a configuration of another, mounted read-only": {app, Decides, true, place{mode: 0o666, uid: 1001, readOnly: true}, good},
	} {
		tt.at.path = "/path"
		warning, err := tt.process.judgePlace(tt.at, tt.use, tt.itself)
		got := good
		if err != nil {
			got = refused
		} else if warning != "" {
			got = warned
		}
		if got != tt.want {
			t.Errorf("%s: %s (%q, %v), want %s", name, got, warning, err, tt.want)
		}
		if err != nil && !strings.Contains(err.Error(), "/path") || warning != "" && !strings.Contains(warning, "/path") {
			t.Errorf("%s: %q %v does not name the path", name, warning, err)
		}
	}
}

// tree makes folders, whose names end with /, files, and links "from -> to".
func tree(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		from, to, isLink := strings.Cut(name, " -> ")
		path := filepath.Join(dir, from)
		var err error
		switch {
		case isLink:
			err = os.Symlink(strings.ReplaceAll(to, "DIR", dir), path)
		case strings.HasSuffix(name, "/"):
			err = os.Mkdir(path, 0o700)
		default:
			err = os.WriteFile(path, nil, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestWhatALinkLeadsToIsJudgedWithEachFolderOnTheWay(t *testing.T) {
	for name, tt := range map[string]struct {
		path   string
		opened string // which is given mode
		mode   fs.FileMode
		want   string
	}{
		"good":                                {"keys/key", "", 0, ""},
		"good, through a folder that is left": {"keys/../keys/./key", "", 0, ""},
		"the file":                            {"keys/key", "real/data/key", 0o604, "others can read"},
		"its folder":                          {"keys/key", "real/data", 0o777, "others can write to"},
		"the folder of the link":              {"keys/key", "keys", 0o777, "others can write to"},
		"a folder above the target":           {"absolute", "real", 0o777, "others can write to"},
		"a folder that is a link":             {"keys/data", "real/data", 0o777, "others can write to"},
	} {
		dir := tree(t, "real/", "real/data/", "real/data/key", "keys/", "keys/data -> ../real/data", "keys/key -> data/key", "absolute -> DIR/keys/key", "round -> round")
		if tt.opened != "" {
			if err := os.Chmod(filepath.Join(dir, tt.opened), tt.mode); err != nil {
				t.Fatal(err)
			}
		}
		_, err := Judge(dir+"/"+tt.path, Secret)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want+" "+filepath.Join(dir, tt.opened)+" ")) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Judge(dir+"/none", Secret); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file that is not there: %v", err)
		}
		if _, err := Judge(dir+"/round", Secret); err == nil {
			t.Error("a link to itself is judged good")
		}
	}
}
