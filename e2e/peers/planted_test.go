//go:build peers && linux

package peers

import (
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/reporter/archive"
	"github.com/gitlatch/gitlatch/reporter/archive/postgres"
)

// TestAPlantedRowKeepsNoRecordOut: somebody who may add rows names records that are not
// archived yet. They are archived all the same, and the rows show.
func TestAPlantedRowKeepsNoRecordOut(t *testing.T) {
	d := newDatabase(t)
	store := &postgres.Store{DSNFile: d.dsnFile("owner")}
	defer func() { must(t, store.Close()) }()
	done, err := store.Append(t.Context(), archive.Head{}, time.Now(), batchOf(0, 2))
	must(t, err)
	for _, seq := range []string{"0", "-1", "9"} {
		d.run(`INSERT INTO gitlatch_archive SELECT ` + seq + `, '2', '1', 'cr-000002', now(), line FROM gitlatch_archive WHERE seq = 2`)
	}
	done, err = store.Append(t.Context(), done.Head, time.Now(), batchOf(1, 2)) // of which one is there
	must(t, err)
	if done.Written != 1 || done.Broken == "" {
		t.Errorf("Append() = %+v", done)
	}
	if got := d.ask(`SELECT count(*) FROM gitlatch_archive WHERE uid = '2' AND line LIKE '%"name":"cr-000002"%'`)[0]; got != "1" {
		t.Errorf("the record stands in %s lines", got)
	}
}
