package uselog

import "strings"

// texts keeps each text of the known uses once, under a number, for as long as one of the
// uses has the text. Number 0 is the empty text.
type texts struct {
	numbers map[string]uint32
	kept    []keptText
	free    []uint32
	bytes   int64
}

type keptText struct {
	text string
	uses int
}

// textOverhead is about how many bytes a text takes besides its own.
const textOverhead = 96

func (t *texts) init() {
	t.numbers = map[string]uint32{}
	t.kept = make([]keptText, 1)
}

func (t *texts) text(number uint32) string { return t.kept[number].text }

// assign puts the number of a record's n-th text into a field of a slot, in place of the
// number that the field has. numbers are those under which the record's texts were found
// before, 0 for a text that was not looked for yet.
func (t *texts) assign(field *uint32, record []string, numbers []uint32, n int32) {
	if *field == 0 && n == 0 {
		return
	}
	number := numbers[n]
	// A number that was found may have been given up, and given out again, since.
	if n != 0 && (int(number) >= len(t.kept) || t.kept[number].text != record[n]) {
		number = t.number(record[n])
		numbers[n] = number
	}
	if number == *field {
		return
	}
	if number != 0 {
		t.kept[number].uses++
	}
	t.drop(*field)
	*field = number
}

// number returns the number of a text, and keeps it if nobody has it yet.
func (t *texts) number(text string) uint32 {
	if number, ok := t.numbers[text]; ok {
		return number
	}
	text = strings.Clone(text) // not the whole record that it is a part of
	number := uint32(len(t.kept))
	if n := len(t.free); n > 0 {
		number, t.free = t.free[n-1], t.free[:n-1]
		t.kept[number] = keptText{text: text}
	} else {
		t.kept = append(t.kept, keptText{text: text})
	}
	t.numbers[text] = number
	t.bytes += int64(len(text)) + textOverhead
	return number
}

// drop gives one use of a text up.
func (t *texts) drop(number uint32) {
	if number == 0 {
		return
	}
	k := &t.kept[number]
	if k.uses--; k.uses > 0 {
		return
	}
	delete(t.numbers, k.text)
	t.bytes -= int64(len(k.text)) + textOverhead
	*k = keptText{}
	t.free = append(t.free, number)
}

// release gives up all texts of a slot.
func (t *texts) release(sl *slot) {
	t.drop(sl.agent)
	t.drop(sl.asn)
	t.drop(sl.ipText)
}
