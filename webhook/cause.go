package webhook

import (
	"context"
	"errors"
)

// The causes for which a request stays undecided, as the metric names them.
const (
	causeMethod      = "method"
	causeContentType = "content_type"
	causeTooLong     = "too_long"
	causeDense       = "too_many_values"
	causeStalled     = "stalled"
	causeCut         = "cut"
	causeShed        = "shed"
	causeDeadline    = "deadline"
	causeStarting    = "starting"
	causeWindows     = "windows"
	causePanic       = "panic"
	causeMalformed   = "malformed"
)

var (
	errStarting = errors.New("the policies have not been read yet")
	errPanic    = errors.New("an error inside the gate")
	errDeadline = errors.New("it took longer than two seconds")
	errWindows  = errors.New("whether its break-glass window is open could not be read")
)

// causeOf names an error for the metric.
func causeOf(err error) string {
	for _, c := range []struct {
		err  error
		name string
	}{
		{errMethod, causeMethod},
		{errContentType, causeContentType},
		{errTooLong, causeTooLong},
		{errDense, causeDense},
		{errStalled, causeStalled},
		{errCut, causeCut},
		{errShed, causeShed},
		{errStarting, causeStarting},
		{errPanic, causePanic},
		{errWindows, causeWindows},
		{errDeadline, causeDeadline},
		{context.DeadlineExceeded, causeDeadline},
		{context.Canceled, causeCut},
	} {
		if errors.Is(err, c.err) {
			return c.name
		}
	}
	return causeMalformed
}
