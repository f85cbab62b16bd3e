package configfile

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// readFile reads a file of at most maxSize bytes. The error names it.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, bare(path, err)
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for a writer
		return nil, &Error{File: path, Err: errors.New("not a regular file")}
	}
	f, err := os.Open(path) //nolint:gosec // the program chooses the file
	if err != nil {
		return nil, bare(path, err)
	}
	defer func() { _ = f.Close() }() // the file was only read
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, bare(path, err)
	}
	if len(data) > maxSize {
		return nil, &Error{File: path, Err: fmt.Errorf("more than %d bytes: want at most that", maxSize)}
	}
	return data, nil
}

// bare returns an Error for an error that names the path itself.
func bare(path string, err error) error {
	var e *os.PathError
	if errors.As(err, &e) {
		err = e.Err
	}
	return &Error{File: path, Err: err}
}
