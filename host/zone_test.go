package host

import (
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestZoneOf: the engine's record of a zone has the zone's offset at every moment.
func TestZoneOf(t *testing.T) {
	t.Parallel()
	end := time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)
	assert.Empty(t, zoneOf(nil))
	for _, name := range []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo",
		"Africa/Casablanca"} {
		zone, err := time.LoadLocation(name)
		require.NoError(t, err)
		z := zoneOf(zone)
		assert.NotEmpty(t, z)
		assert.Less(t, len(z), 16<<10)
		for at := time.Unix(0, 0); at.Before(end); at = at.Add(1001 * time.Hour) {
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
