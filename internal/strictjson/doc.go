// Package strictjson decodes the small JSON objects that configure cantonlb.
//
// Why: encoding/json takes an unknown key, a key given twice and a null without
// a word. In the settings of health checking a misspelt key that is silently
// ignored means that health checking is silently not what it should be. Here
// each of these is an Error, which names the key by its whole path, the value,
// and what would be right.
//
// Defaults: none; a key that is absent leaves its variable as it was. Keys are
// compared exactly, upper and lower case matter. One Object reports at most
// MaxErrors bad keys, and an error shows at most MaxEcho bytes of a value.
package strictjson
