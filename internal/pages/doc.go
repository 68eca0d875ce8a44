// Package pages keeps finished answers in memory: bytes by key and stamp.
//
// # What it holds
//
// A page is the text of an answer: a head and a tail. Pages of one owner that differ
// only in their tail share the head. Each page is kept in one of two forms:
//
//   - whole: head and tail, ready to be sent. Every page may be kept so.
//   - compressed: the head as a block of LZ4, beside both tails in plain text. Only pages
//     whose head has at least 8 KiB: a smaller one is spelled as fast as decompressed.
//
// A page is kept when it is asked for a second time under one stamp: compressed if its
// head is long enough, else whole. A compressed page that is asked for is kept whole as
// well.
//
// # Key
//
// [Key]: the owner, which of the owner's pages, and which of its two tails. A table finds a
// page by a 64-bit number made of the key. The owner's hash and full name are compared
// before a page is given out; with them, the number determines the page and the tail.
//
// # Size
//
// [New] gets a number of bytes: nine tenths of it for pages, two fifths of these for
// compressed ones. The rest is for tables. Memory is taken at once and never grows.
//
// # When a page is wrong
//
// A page is given out only if all of these hold; else it is as if it were not there:
//
//   - it has the very key that is asked for;
//   - it was kept under the very stamp that is asked for;
//   - now lies in [Since, Until) of the [Page]. Before Since it would be wrong as well: a
//     clock that was set back makes alive again what was over when the page was made.
//
// The caller sees to it that two stamps of an owner are equal only if nothing that the
// owner's pages show has changed between them, but by the passing of time.
//
// # Invariants
//
//  1. Of each number there is at most one page in a pool's table.
//  2. Pages in a pool do not overlap: a block is free or belongs to one page.
//  3. The bytes of a page that somebody holds do not change and are not reused.
//  4. The clock hand points at the first block of a page or at a free block.
//  5. A page lies in the table only after all of its bytes are written.
package pages
