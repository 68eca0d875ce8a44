package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-id/rollcall"
)

// parseLevels reads the file's declarations of levels, which take the place of the
// presets.
func parseLevels(value any) ([]rollcall.Level, error) {
	list, ok := value.([]any)
	if !ok || len(list) == 0 {
		return nil, fmt.Errorf("%s: must be a list of at least one level; leave the key out for the presets", levelsKey)
	}
	var levels []rollcall.Level
	for i, item := range list {
		l, err := parseLevel(item)
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", levelsKey, i, err)
		}
		levels = append(levels, l)
	}
	if bad, ok := errors.AsType[*rollcall.Error](rollcall.CheckLevels(levels)); ok {
		return nil, errors.New(bad.Message)
	}
	return levels, nil
}

func parseLevel(item any) (l rollcall.Level, err error) {
	fields, ok := item.(map[string]any)
	if !ok {
		return l, fmt.Errorf("must have name and any_of")
	}
	for name, value := range fields {
		switch name {
		case "name":
			if l.Name, ok = value.(string); !ok {
				err = fmt.Errorf("name: must be a text")
			}
		case "any_of":
			l.AnyOf, err = parseCombinations(value)
		case "max_age":
			l.MaxAge, err = parseBound(name, value)
		case "max_idle":
			l.MaxIdle, err = parseBound(name, value)
		default:
			err = fmt.Errorf("there is no key %q", name)
		}
		if err != nil {
			return l, err
		}
	}
	return l, nil
}

// parseCombinations reads a list of lists. A single word in the place of a list is
// refused, since nobody could tell which of the two lists was left out.
func parseCombinations(value any) ([][]string, error) {
	wrong := fmt.Errorf("any_of: must be a list of lists of methods, such as [[pwd, mfa], [passkey]]")
	list, ok := value.([]any)
	if !ok {
		return nil, wrong
	}
	var combinations [][]string
	for _, item := range list {
		if _, ok := item.([]any); !ok {
			return nil, wrong
		}
		methods, err := words(item)
		if err != nil {
			return nil, wrong
		}
		combinations = append(combinations, methods)
	}
	return combinations, nil
}

func parseBound(name string, value any) (time.Duration, error) {
	d, err := convert(time.Duration(0), value)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return d.(time.Duration), nil
}

// spellLevel writes a level on one line.
func spellLevel(l rollcall.Level) string {
	var combinations []string
	for _, methods := range l.AnyOf {
		combinations = append(combinations, "["+strings.Join(methods, " ")+"]")
	}
	text := l.Name + ": any of " + strings.Join(combinations, " ")
	if l.MaxAge > 0 {
		text += ", max_age " + l.MaxAge.String()
	}
	if l.MaxIdle > 0 {
		text += ", max_idle " + l.MaxIdle.String()
	}
	return text
}
