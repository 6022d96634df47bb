package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/figures"
)

// answer is what became of a write.
type answer int

// A write is stored, or denied by the gate, or by the API server itself on the gate's behalf, or got none of these
// answers: which is no admission, and no denial either.
const (
	stored answer = iota
	denied
	backstopped
	unanswered
)

func answerTo(err error) answer {
	switch {
	case err == nil:
		return stored
	case deniedByGate(err):
		return denied
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "ValidatingAdmissionPolicy 'gitlatch"),
		apierrors.IsInvalid(err) && strings.Contains(err.Error(), "ValidatingAdmissionPolicy 'gitlatch"):
		return backstopped
	}
	return unanswered
}

func deniedByGate(err error) bool {
	return apierrors.IsForbidden(err) && (strings.Contains(err.Error(), v1alpha1.GateName+`" denied the request`) ||
		strings.Contains(err.Error(), v1alpha1.FinalName+`" denied the request`))
}

// reasonOf is the short word that a denial begins with; empty where the error is none.
func reasonOf(err error) v1alpha1.Reason {
	if !deniedByGate(err) {
		return ""
	}
	_, after, _ := strings.Cut(err.Error(), "denied the request: ")
	reason, _, _ := strings.Cut(after, ":")
	return v1alpha1.Reason(reason)
}

// answers are those to the writes of one kind. Its methods may be called from several goroutines.
type answers struct {
	mu    sync.Mutex
	took  [unanswered + 1][]time.Duration // by what the answer was
	wrong []string                        // the first few that should not have been, and how many there were
	more  int
}

// keep notes an answer. A wrong one is kept with its words.
func (a *answers) keep(err error, took time.Duration, wanted ...answer) {
	got := answerTo(err)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.took[got] = append(a.took[got], took)
	if slices.Contains(wanted, got) {
		return
	}
	if err == nil {
		err = errors.New("it went through")
	}
	if len(a.wrong) >= mostSaid {
		a.more++
		return
	}
	a.wrong = append(a.wrong, fmt.Sprintf("after %s: %v", figures.Readable(took), err))
}

// failures are the wrong ones: some in words, the rest as a number.
func (a *answers) failures() (n int, words []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.wrong) + a.more, slices.Clone(a.wrong)
}

// total is how many answers there were.
func (a *answers) total() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(slices.Concat(a.took[:]...))
}

// of is how many were like this.
func (a *answers) of(kind answer) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.took[kind])
}

// percentile of the times that these answers took; 100 is the slowest.
func (a *answers) percentile(p int, kinds ...answer) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	var took []time.Duration
	for _, kind := range kinds {
		took = append(took, a.took[kind]...)
	}
	return figures.Percentile(took, p)
}
