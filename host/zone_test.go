package host

import (
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestZoneOf: what the engine is told of a zone gives the offsets that the zone
// has, at every moment.
func TestZoneOf(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	assert.Empty(t, zoneOf(nil, now))
	for _, name := range []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo", "Africa/Casablanca"} {
		zone, err := time.LoadLocation(name)
		require.NoError(t, err)
		z := zoneOf(zone, now)
		assert.NotEmpty(t, z)
		assert.Less(t, len(z), 8<<10)
		for at := time.Unix(0, 0); at.Before(now.AddDate(futureYears, 0, 0)); at = at.Add(101 * time.Hour) {
			told := int32(0)
			for since, ahead := range z.Changes {
				if since <= at.Unix() {
					told = ahead
				}
			}
			_, ahead := at.In(zone).Zone()
			require.Equal(t, ahead, int(told), "%s %s", name, at)
		}
	}
}
