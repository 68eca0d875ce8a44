package rollcall

import (
	"strings"
	"unicode/utf16"
)

// A MetadataEntry is one pair of a session's metadata. Order is kept.
type MetadataEntry struct{ Key, Value string }

// CheckMetadata holds metadata against the published bounds; the error's text
// is the published one (docs/published-api.md P48).
func CheckMetadata(entries []MetadataEntry) error {
	if len(entries) > MaxMetadataEntries {
		return metadataTooLarge
	}
	for _, e := range entries {
		if utf16Length(e.Key) > MaxMetadataLength || utf16Length(e.Value) > MaxMetadataLength {
			return metadataTooLarge
		}
		if !isMetadataKey(e.Key) {
			return Errorf(CodeInvalid, "Invalid metadata: Metadata keys may only include letters, numbers, underscores, or hyphens")
		}
		if strings.ContainsRune(e.Value, 0) {
			return Errorf(CodeInvalid, "Invalid metadata: Metadata values must not contain null characters")
		}
	}
	return nil
}

var metadataTooLarge = Errorf(CodeInvalid, "Metadata must not exceed 25 entries. Each key and value must be ≤ 255 characters.")

func isMetadataKey(key string) bool {
	for i := range len(key) {
		if !isIDByte(key[i]) {
			return false
		}
	}
	return key != ""
}

func utf16Length(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}
