package postgrestest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// killed names the variable that has a process start a server and wait to be killed.
const killed = "ROLLCALL_POSTGRESTEST_KILLED"

// TestTheServerEndsWithTheTestsHoweverTheyEnd kills a process that has started a server.
func TestTheServerEndsWithTheTestsHoweverTheyEnd(t *testing.T) {
	s := running(t)
	if os.Getenv(killed) != "" {
		fmt.Println("folder", s.folder)
		select {}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self, "-test.run=^TestTheServerEnds")
	child.Env = append(os.Environ(), killed+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var folder string
	for lines := bufio.NewScanner(out); folder == "" && lines.Scan(); {
		folder, _ = strings.CutPrefix(lines.Text(), "folder ")
		if folder == lines.Text() {
			folder = ""
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	if folder == "" {
		t.Fatal("the process started no server")
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(folder); os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still there", folder)
		}
	}
}

// TestADatabaseIsEmptyWhenATestGetsIt uses one database after the other.
func TestADatabaseIsEmptyWhenATestGetsIt(t *testing.T) {
	incarnations := map[int64]bool{}
	for range 2 {
		t.Run("", func(t *testing.T) {
			conn, err := pgx.Connect(t.Context(), DSN(t))
			if err != nil {
				t.Fatal(err)
			}
			var incarnation, documents, version int64
			err = conn.QueryRow(t.Context(), `SELECT incarnation, (SELECT count(*) FROM documents), (SELECT version FROM everybody) FROM meta`).
				Scan(&incarnation, &documents, &version)
			if err != nil || documents != 0 || version != 0 || incarnations[incarnation] {
				t.Errorf("%d documents, version %d, incarnation %d of %v: %v", documents, version, incarnation, incarnations, err)
			}
			incarnations[incarnation] = true
			for _, sql := range []string{`INSERT INTO documents VALUES ('d', 1, '')`, `UPDATE everybody SET version = 1`} {
				if _, err := conn.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
