// Package strictjson decodes the small JSON objects that configure cantonlb.
//
// Why: encoding/json takes an unknown key, a key given twice and a null without
// a word. In the settings of health checking a misspelt key that is silently
// ignored means that health checking is silently not what it should be. Here
// each of these is a configerr.Error, which names the key by its whole path, the
// value, and what would be right; and all are reported, up to the bound of package
// fault.
//
// Defaults: none; a key that is absent leaves its variable as it was. Keys are
// compared exactly, upper and lower case matter.
package strictjson
