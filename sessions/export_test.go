package sessions

import "context"

// Warm reads the store into memory, as Run does when it begins.
func (m *Manager) Warm(ctx context.Context) error { return m.warm(ctx) }
