package admin

import (
	"fmt"
	"strings"
	"time"
)

// plot is the drawing of [Rates], over an hour that ends at Until.
type plot struct {
	Until          time.Time
	Top            float64 // of the scale, in bytes a second
	Sent, Received curve
}

// curve is a rate over time.
type curve struct {
	Line string // the path of an SVG, plotWidth wide and plotHeight high
	Area string // likewise, down to the ground
	Last float64
	Most float64
}

// The size of the drawing in its own units. It is stretched, so they are no pixels.
const (
	plotWidth  = 720
	plotHeight = 100
)

func plotOf(r Rates, until time.Time) plot {
	p := plot{Until: until, Top: 1024}
	for _, one := range r.Points {
		for p.Top < max(one.Sent, one.Received) {
			p.Top *= 2 // whatever it is, it reads well in KiB, MiB and so on
		}
	}
	p.Sent = p.curve(r.Points, func(one Point) float64 { return one.Sent })
	p.Received = p.curve(r.Points, func(one Point) float64 { return one.Received })
	return p
}

// Half is the middle of the scale.
func (p plot) Half() float64 { return p.Top / 2 }

// curve draws. Of equal values in a row it draws the first and the last.
func (p plot) curve(all []Point, value func(Point) float64) (c curve) {
	var line strings.Builder
	var first, last float64
	for i, one := range all {
		v := value(one)
		c.Last, c.Most = v, max(c.Most, v)
		if i > 0 && i < len(all)-1 && value(all[i-1]) == v && value(all[i+1]) == v {
			continue
		}
		command := "L"
		last = plotWidth * (1 - p.Until.Sub(one.Time).Hours())
		if i == 0 {
			command, first = "M", last
		}
		fmt.Fprintf(&line, "%s%.1f %.1f", command, last, plotHeight*(1-v/p.Top))
	}
	if line.Len() > 0 {
		c.Line = line.String()
		c.Area = fmt.Sprintf("%sL%.1f %dL%.1f %dZ", c.Line, last, plotHeight, first, plotHeight)
	}
	return c
}
