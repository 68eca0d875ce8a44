// Package request reads what the doors and the client's middleware take from a request in
// the same way: where it came from, its session token and the cookie that carries it, origins,
// and whether a browser is on its way to a page.
package request
