package server

// A room has a place for each connection of the listeners that share it; nil has any
// number.
type room chan struct{}

// newRoom returns a room of so many places, 0 for any number.
func newRoom(places int) room {
	if places == 0 {
		return nil
	}
	return make(room, places)
}

// enter takes a place when there is one. It reports false when end is closed before.
func (r room) enter(end <-chan struct{}) bool {
	if r == nil {
		return true
	}
	select {
	case r <- struct{}{}:
		return true
	case <-end:
		return false
	}
}

func (r room) leave() {
	if r != nil {
		<-r
	}
}
