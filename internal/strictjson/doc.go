// Package strictjson decodes the small JSON objects that configure cantonlb.
//
// Why: encoding/json silently accepts an unknown key, a key given twice and a null.
// If a misspelt key in the settings of health checking is ignored, health checking
// silently differs from what was intended. Here each of these is a configerr.Error
// that names the key by its full path, the value, and what would be valid. All are
// reported, up to the bound of package fault.
//
// Defaults: none; an absent key leaves its variable unchanged. Keys are
// case-sensitive.
package strictjson
