package storetest

import "sync"

// A hold keeps one commit waiting.
type hold struct {
	at               Fault
	entered, release chan struct{}
}

// HoldCommit makes one commit wait: the next that no other hold waits for. With
// Before it waits before anything has happened, with After when it has happened
// and nobody has been told. Other commits pass meanwhile.
//
// entered is closed when the commit waits; release lets it go on, and may be called
// before that, and more than once. A commit that waits heeds no context: call
// release, also when the test fails.
func (f *Faulty) HoldCommit(at Fault) (entered <-chan struct{}, release func()) {
	if at != Before && at != After {
		panic("storetest: a commit is held Before or After")
	}
	h := &hold{at: at, entered: make(chan struct{}), release: make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.holds = append(f.holds, h)
	return h.entered, sync.OnceFunc(func() { close(h.release) })
}

// nextHold takes the hold that is next, nil when there is none.
func (f *Faulty) nextHold() (h *hold) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.holds) > 0 {
		h, f.holds = f.holds[0], f.holds[1:]
	}
	return h
}

func (h *hold) wait(at Fault) {
	if h != nil && h.at == at {
		close(h.entered)
		<-h.release
	}
}
