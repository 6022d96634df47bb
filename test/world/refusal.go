package world

import "fmt"

// Refusal is a command that failed, as an error: for a wait.
type Refusal struct{ Result }

func (r *Refusal) Error() string {
	return fmt.Sprintf("%s: kubectl %s: exit %d: %s", r.User, r.Command, r.Code, r.Err)
}
