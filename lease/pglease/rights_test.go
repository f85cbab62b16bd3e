//go:build unix

package pglease_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/lease/pglease"
)

// A role that may do no more than use the tables, which another one has created, is enough: CREATE TABLE IF
// NOT EXISTS is refused to it, although they exist.
func TestARoleThatMayOnlyUseTheTablesIsEnough(t *testing.T) {
	server := start(t)
	owner := connect(t, server.DSN())
	for _, schema := range []string{"", "leases"} {
		t.Run("schema "+schema, func(t *testing.T) {
			t.Parallel()
			in, name := "public", "user_of_public"
			if schema != "" {
				in, name = schema, "user_of_"+schema
			}
			exec := func(sql string) {
				t.Helper()
				_, err := owner.Exec(within(t), sql)
				require.NoError(t, err)
			}
			exec("CREATE SCHEMA IF NOT EXISTS " + in)
			exec("CREATE ROLE " + name + " LOGIN")
			exec("GRANT USAGE ON SCHEMA " + in + " TO " + name)
			pool := connect(t, strings.Replace(server.DSN(), "user=postgres", "user="+name, 1))
			s, err := pglease.New(pglease.Config{Pool: pool, Schema: schema})
			require.NoError(t, err)
			require.ErrorContains(t, s.CreateTables(within(t)), "permission denied", "they are missing")

			first, err := pglease.New(pglease.Config{Pool: owner, Schema: schema})
			require.NoError(t, err)
			require.NoError(t, first.CreateTables(within(t)))
			exec("GRANT SELECT, INSERT, UPDATE ON " + in + ".cantonlb_lease, " + in + ".cantonlb_lease_token TO " + name)
			require.NoError(t, s.CreateTables(within(t)))
			r := acquire(t, s, "pink", "a", time.Second)
			r, err = s.Renew(within(t), "pink", r)
			require.NoError(t, err)
			tx, err := pool.Begin(within(t))
			require.NoError(t, err)
			require.NoError(t, s.Check(within(t), tx, "pink", r.Token))
			require.NoError(t, tx.Commit(within(t)))
			require.NoError(t, s.Release(within(t), "pink", r))
			now, err := s.Read(within(t), "pink")
			require.NoError(t, err)
			assert.True(t, now.Free())
		})
	}
}
