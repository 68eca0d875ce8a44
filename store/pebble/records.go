package pebble

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/pebble/internal/codec"
)

// A userRow is a user's row as it is stored. A row of version 0 does not exist.
type userRow struct {
	rollcall.User
	// latestEvent is the number of the user's latest event in the log of events, 0
	// for none.
	latestEvent uint64
	// further are fields that this version does not know.
	further string
}

// What not every user's row has.
const (
	userHasMoved  = 1 << iota // the generation, since the row was made
	userHasTokens             // the generation of tokens has
	userHasEvents

	userFlags = userHasMoved | userHasTokens | userHasEvents
)

func (u *userRow) encode() []byte { return u.appendTo(make([]byte, 0, 64)) }

func (u *userRow) appendTo(b []byte) []byte {
	flags := byte(0)
	if !u.GenerationAt.IsZero() || u.GenerationReason != "" || u.GenerationBy != "" {
		flags |= userHasMoved
	}
	if !u.TokenGenerationAt.IsZero() {
		flags |= userHasTokens
	}
	if u.Events > 0 {
		flags |= userHasEvents
	}
	b = append(b, codec.Format, flags)
	b = binary.AppendUvarint(b, u.Version)
	b = codec.AppendAbove(b, u.Generation, u.Version)
	b = codec.AppendAbove(b, u.TokenGeneration, u.Generation)
	if flags&userHasMoved != 0 {
		b = codec.AppendTimes(b, u.GenerationAt)
		b = codec.AppendTexts(b, string(u.GenerationReason), u.GenerationBy)
	}
	if flags&userHasTokens != 0 {
		b = codec.AppendTimes(b, u.TokenGenerationAt)
	}
	if flags&userHasEvents != 0 {
		b = binary.AppendUvarint(b, u.Events)
		b = binary.AppendUvarint(b, u.latestEvent)
	}
	return append(b, u.further...)
}

func decodeUser(id string, b []byte) (userRow, error) {
	d, err := codec.NewDecoder("a user", b)
	if err != nil {
		return userRow{}, err
	}
	u := userRow{User: rollcall.User{ID: id}}
	flags := d.Flags(userFlags)
	u.Version = d.Uvarint()
	u.Generation = d.Above(u.Version)
	u.TokenGeneration = d.Above(u.Generation)
	if flags&userHasMoved != 0 {
		u.GenerationAt = d.Time()
		u.GenerationReason, u.GenerationBy = rollcall.Reason(d.Text()), d.Text()
	}
	if flags&userHasTokens != 0 {
		u.TokenGenerationAt = d.Time()
	}
	if flags&userHasEvents != 0 {
		u.Events, u.latestEvent = d.Uvarint(), d.Uvarint()
	}
	u.further = d.Fields()
	return u, d.End()
}

// An everybodyRow is everybody's row as it is stored.
type everybodyRow struct {
	rollcall.Everybody
	further string
}

func (e *everybodyRow) encode() []byte {
	b := binary.AppendUvarint([]byte{codec.Format}, e.Version)
	b = binary.AppendUvarint(b, e.Generation)
	b = codec.AppendTimes(b, e.GenerationAt)
	b = codec.AppendTexts(b, e.GenerationBy)
	b = binary.AppendUvarint(b, e.Settings)
	b = binary.AppendUvarint(b, uint64(len(e.Clients)))
	for _, client := range slices.Sorted(maps.Keys(e.Clients)) {
		b = codec.AppendTexts(b, client)
		b = binary.AppendUvarint(b, e.Clients[client])
	}
	return append(b, e.further...)
}

func decodeEverybody(b []byte) (everybodyRow, error) {
	d, err := codec.NewDecoder("everybody's row", b)
	if err != nil {
		return everybodyRow{}, err
	}
	var e everybodyRow
	e.Version, e.Generation, e.GenerationAt, e.GenerationBy, e.Settings = d.Uvarint(), d.Uvarint(), d.Time(), d.Text(), d.Uvarint()
	if n := d.Count(); n > 0 {
		e.Clients = make(map[string]uint64, n)
		for range n {
			client := d.Text()
			e.Clients[client] = d.Uvarint()
		}
	}
	e.further = d.Fields()
	return e, d.End()
}

// A documentRow is a document as it is stored.
type documentRow struct {
	rollcall.Document
	further string
}

func (doc *documentRow) encode() []byte {
	b := binary.AppendUvarint([]byte{codec.Format}, doc.Version)
	b = binary.AppendUvarint(b, uint64(len(doc.Body)))
	b = append(b, doc.Body...)
	return append(b, doc.further...)
}

func decodeDocument(name string, b []byte) (documentRow, error) {
	d, err := codec.NewDecoder("a document", b)
	if err != nil {
		return documentRow{}, err
	}
	doc := documentRow{Document: rollcall.Document{Name: name, Version: d.Uvarint()}}
	doc.Body = []byte(d.Text())
	doc.further = d.Fields()
	return doc, d.End()
}

// A loggedEvent is an event as it is stored: with its number among the user's, 0 for an
// event of nobody. Events are never written anew, so nobody keeps further fields.
type loggedEvent struct {
	rollcall.Event
	number uint64
}

// What only endings of many have.
const eventHasMany = 1

func (e *loggedEvent) encode() []byte {
	flags := byte(0)
	if e.Except != "" || e.Count != 0 || e.Generation != 0 || e.TokenGeneration != 0 {
		flags |= eventHasMany
	}
	b := append(make([]byte, 0, 384), codec.Format, flags)
	b = binary.AppendUvarint(b, e.number)
	b = codec.AppendTexts(b, e.ID, string(e.Type), e.UserID, e.SessionID, e.ClientID, string(e.Reason), e.Actor, e.IP, e.UserAgent, e.CorrelationID)
	b = codec.AppendTimes(b, e.At)
	if flags&eventHasMany != 0 {
		b = codec.AppendTexts(b, e.Except)
		b = binary.AppendVarint(b, int64(e.Count))
		b = binary.AppendUvarint(b, e.Generation)
		b = binary.AppendUvarint(b, e.TokenGeneration)
	}
	if e.ActorKind != "" {
		b = codec.AppendField(b, fieldActorKind, string(e.ActorKind))
	}
	return b
}

// fieldActorKind is the field of an actor's kind.
const fieldActorKind = 1

func decodeEvent(b []byte) (loggedEvent, error) {
	d, err := codec.NewDecoder("an event", b)
	if err != nil {
		return loggedEvent{}, err
	}
	flags := d.Flags(eventHasMany)
	e := loggedEvent{number: d.Uvarint(), Event: rollcall.Event{
		ID: d.Text(), Type: rollcall.EventType(d.Text()), UserID: d.Text(), SessionID: d.Text(), ClientID: d.Text(),
		Reason: rollcall.Reason(d.Text()), Actor: d.Text(), IP: d.Text(), UserAgent: d.Text(), CorrelationID: d.Text(),
		At: d.Time(),
	}}
	if flags&eventHasMany != 0 {
		e.Except, e.Count, e.Generation, e.TokenGeneration = d.Text(), int(d.Varint()), d.Uvarint(), d.Uvarint()
	}
	e.ActorKind = rollcall.ActorKind(codec.Field(d.Fields(), fieldActorKind))
	return e, d.End()
}
