package quorum

import (
	"fmt"
	"slices"
	"strconv"
)

// maxExponent bounds the exponent of a number in its canonical form, either way, so that
// all ways to write a number are taken or none. The exponent as it is written may be
// greater by the number of digits, for which writtenExponent has room.
const (
	maxExponent     = 1_000_000_000
	writtenExponent = 2 * maxExponent
)

var errExponent = fmt.Errorf("a number whose exponent is beyond %d", maxExponent)

// digits reads one digit at least.
func (p *jsonText) digits() ([]byte, error) {
	start := p.pos
	for p.pos < len(p.in) && '0' <= p.in[p.pos] && p.in[p.pos] <= '9' {
		p.pos++
	}
	if p.pos == start {
		return nil, p.unexpected()
	}
	return p.in[start:p.pos], nil
}

// number reads a number, and writes the same decimal number as ECMAScript does.
func (p *jsonText) number() error {
	negative := p.next('-')
	whole, err := p.digits()
	if err != nil {
		return err
	}
	if whole[0] == '0' && len(whole) > 1 {
		p.pos -= len(whole) - 1
		return p.unexpected()
	}
	var fraction []byte
	if p.next('.') {
		if fraction, err = p.digits(); err != nil {
			return err
		}
	}
	exponent, err := p.exponent()
	if err != nil {
		return err
	}
	all := slices.Concat(whole, fraction)
	leading := 0
	for leading < len(all) && all[leading] == '0' {
		leading++
	}
	end := len(all)
	for end > leading && all[end-1] == '0' {
		end--
	}
	if leading == end {
		p.out = append(p.out, '0')
		return nil
	}
	point := len(whole) - leading + exponent
	if point-1 > maxExponent || point-1 < -maxExponent {
		return errExponent
	}
	if negative {
		p.out = append(p.out, '-')
	}
	p.out = appendDecimal(p.out, all[leading:end], point)
	return nil
}

func (p *jsonText) exponent() (int, error) {
	if !p.next('e') && !p.next('E') {
		return 0, nil
	}
	sign := 1
	if p.next('-') {
		sign = -1
	} else {
		p.next('+')
	}
	digits, err := p.digits()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(trimZeros(digits)), 10, 64)
	if err != nil || n > writtenExponent {
		return 0, errExponent
	}
	return sign * int(n), nil
}

// trimZeros drops leading zeros, but for the last digit, and bounds what is left.
func trimZeros(digits []byte) []byte {
	for len(digits) > 1 && digits[0] == '0' {
		digits = digits[1:]
	}
	return digits[:min(len(digits), len("9223372036854775807"))]
}

// appendDecimal writes the number 0.DIGITS times ten to the power of point, as
// ECMAScript's Number::toString does. digits neither begins nor ends with a zero.
func appendDecimal(out, digits []byte, point int) []byte {
	const most = 21
	k := len(digits)
	switch {
	case k <= point && point <= most:
		return append(append(out, digits...), "000000000000000000000"[:point-k]...)
	case 0 < point && point <= most:
		return append(append(append(out, digits[:point]...), '.'), digits[point:]...)
	case -6 < point && point <= 0:
		return append(append(append(out, '0', '.'), "000000"[:-point]...), digits...)
	}
	out = append(out, digits[0])
	if k > 1 {
		out = append(append(out, '.'), digits[1:]...)
	}
	out = append(out, 'e')
	if point > 0 {
		out = append(out, '+')
	}
	return strconv.AppendInt(out, int64(point-1), 10)
}
