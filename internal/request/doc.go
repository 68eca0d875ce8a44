// Package request reads what the doors and the client's middleware take from a request in
// the same way: where it came from, and its session token. It knows net/http alone.
package request
