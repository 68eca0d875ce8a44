package sessions

import (
	"context"

	"github.com/rollcall-id/rollcall"
)

// EndAll ends all sessions of a user, in one commit of the same size whatever their
// number. A user without sessions is no error. Errors: CodeInvalid, CodeUnavailable.
func (m *Manager) EndAll(ctx context.Context, by rollcall.Caller, userID string, why rollcall.Reason) error {
	return m.endMany(ctx, by, userID, "", why)
}

// EndOthers ends all sessions of a user but one. Errors: CodeInvalid, CodeNotFound when
// that one is not live or not the user's, CodeUnavailable.
func (m *Manager) EndOthers(ctx context.Context, by rollcall.Caller, userID, keepID string) error {
	if !rollcall.IsSessionID(keepID) {
		return failed(rollcall.ErrNoSession)
	}
	return m.endMany(ctx, by, userID, keepID, rollcall.ReasonOthers)
}

// endMany ends a user's sessions at once, all or all but keepID. Cases:
//
//  1. A row besides keepID's is neither ended nor outdated: the user's generation moves.
//     The put names the generation and no version, so sign-ins do not make the put a
//     conflict. A session that is created between the read and the commit ends as well.
//  2. There is no such row: nothing is committed.
//
// Errors: CodeInvalid; CodeNotFound for a keepID that is not live or not the user's;
// CodeUnavailable.
func (m *Manager) endMany(ctx context.Context, by rollcall.Caller, userID, keepID string, why rollcall.Reason) error {
	if err := rollcall.CheckUserID(userID); err != nil {
		return err
	}
	err := m.act(ctx, userID, ahead, func(ctx context.Context, a attempt) (decision, error) {
		found, err := m.endable(ctx, userID, keepID, a)
		if err != nil {
			return decision{}, err
		}
		if !found.any {
			return decision{}, nil
		}
		user := found.standing.User
		user.Generation, user.GenerationAt, user.GenerationReason, user.GenerationBy = user.Generation+1, a.now, why, by.ID
		change := rollcall.Change{UserID: userID, User: &rollcall.PutUser{User: user, Replaces: rollcall.AnyVersion, NextGeneration: true}}
		if keepID != "" {
			kept := found.kept
			kept.Generation.User = user.Generation
			change.Sessions = []rollcall.PutSession{m.put(kept)}
		}
		e := rollcall.NewEvent(rollcall.UserSessionsEnded, a.now, by, rollcall.Session{UserID: userID, EndReason: why})
		e.Count, e.Generation, e.Except = found.count, user.Generation, keepID
		change.Events = []rollcall.Event{e}
		return decision{change: change, done: func(rollcall.Standing) { m.tidy.user(userID) }}, nil
	})
	if err != nil && rollcall.ErrorCode(err) != rollcall.CodeNotFound {
		return err
	}
	if unsettled := m.settle(ctx); unsettled != nil {
		return unsettled
	}
	return err
}

// An endable is what endMany reads before it decides.
type endable struct {
	standing rollcall.Standing
	kept     rollcall.Session
	// any says that the user has a row, beside the kept one, that is neither ended nor
	// outdated. A row past a limit counts: the move of the generation ends it durably.
	any bool
	// count is the number of live sessions that end, -1 when there are more rows than one
	// read gives.
	count int
}

// endable reads as many of a user's rows as one change may have, and one more.
func (m *Manager) endable(ctx context.Context, userID, keepID string, a attempt) (endable, error) {
	var e endable
	st, rows, err := m.storedPages(ctx, userID, rollcall.Position{}, rollcall.MaxChange+1)
	if err != nil {
		return endable{}, err
	}
	e.standing = st
	kept := fact{}
	for i := range rows {
		switch s := &rows[i]; {
		case s.Outdated(&st):
		case s.ID == keepID:
			kept = fact{Session: *s, Standing: st}
		default:
			e.any = true
			if !s.Over(a.now, &st) {
				e.count++
			}
		}
	}
	if len(rows) > rollcall.MaxChange { // there may be more rows, which were not read
		e.any, e.count = true, -1
	}
	if keepID == "" {
		return e, nil
	}
	if kept.ID == "" && len(rows) > rollcall.MaxChange { // a later moment: the move is guarded by st's generation
		if kept, err = m.stored(ctx, rollcall.At{ID: keepID, UserID: userID}); err != nil {
			return endable{}, err
		}
	}
	if kept.UserID != userID || kept.Over(a.now, &kept.Standing) {
		return endable{}, rollcall.ErrNoSession
	}
	e.kept = kept.Session
	return e, nil
}

// EndEverybody ends all sessions of all users in one small commit. Errors:
// CodeUnavailable.
func (m *Manager) EndEverybody(ctx context.Context, by rollcall.Caller) error {
	return m.act(ctx, "", ahead, func(ctx context.Context, a attempt) (decision, error) {
		// Any user's standing has everybody's row; "" is nobody.
		st, _, err := m.store.Sessions(ctx, rollcall.SessionsOf{})
		if err != nil {
			return decision{}, err
		}
		everybody := st.Everybody
		everybody.Generation, everybody.GenerationAt, everybody.GenerationBy = everybody.Generation+1, a.now, by.ID
		e := rollcall.NewEvent(rollcall.EverybodyEnded, a.now, by, rollcall.Session{EndReason: rollcall.ReasonEverybody})
		e.Count, e.Generation = -1, everybody.Generation
		change := rollcall.Change{
			Everybody: &rollcall.PutEverybody{Everybody: everybody, Replaces: everybody.Version},
			Events:    []rollcall.Event{e},
		}
		return decision{change: change, done: func(rollcall.Standing) { m.tidy.everybody() }}, nil
	})
}
