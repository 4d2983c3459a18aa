//go:build linux

package bench

import (
	"bytes"
	"encoding/xml"
	"image/color"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// graph is how a cost grows. Its X axis is logarithmic.
type graph struct {
	Title  string   `json:"title"`
	X      string   `json:"x"` // title of the axis, with the unit
	Y      string   `json:"y"`
	LogY   bool     `json:"log_y"` // a logarithmic Y axis; else it is linear from 0 on
	Series []series `json:"series"`
}

// series is one line of a graph.
type series struct {
	Name   string  `json:"name"`   // in the legend
	Native bool    `json:"native"` // the colour: whether it is about the native server
	Dashed bool    `json:"dashed"`
	Points []point `json:"points"` // by rising X; those that a logarithmic axis does not have are not drawn
}

func (s *series) add(x int, y float64) { s.Points = append(s.Points, point{float64(x), y}) }

type point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

const (
	graphWidth  = 560 // points
	graphHeight = 300
	graphMargin = 8
)

var (
	engineColour = color.NRGBA{R: 0x1f, G: 0x5f, B: 0xbf, A: 0xff}
	nativeColour = color.NRGBA{R: 0xd0, G: 0x54, B: 0x0c, A: 0xff}
	gridColour   = color.Gray{Y: 0xd8}
)

// svg draws the graph, with the legend right of it.
func (g graph) svg() ([]byte, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = g.Title, g.X, g.Y
	p.Title.Padding, p.X.Label.Padding, p.Y.Label.Padding = 10, 6, 6
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = gridColour, gridColour
	p.Add(grid)
	legend := plot.NewLegend()
	legend.Top, legend.Left, legend.Padding = true, true, 4
	for _, s := range g.Series {
		if err := s.draw(p, &legend, g.scaled(s.Points)); err != nil {
			return nil, err
		}
	}
	g.setAxes(p)
	for _, f := range []*font.Font{&p.Title.TextStyle.Font, &p.X.Label.TextStyle.Font, &p.Y.Label.TextStyle.Font,
		&p.X.Tick.Label.Font, &p.Y.Tick.Label.Font, &legend.TextStyle.Font} {
		f.Variant = "Sans"
	}
	return paint(p, &legend)
}

// paint draws on white, which is readable on dark pages too.
func paint(p *plot.Plot, legend *plot.Legend) ([]byte, error) {
	svg := vgsvg.New(graphWidth, graphHeight)
	all := draw.New(svg)
	all.SetColor(color.White)
	all.Fill(all.Rectangle.Path())
	all = draw.Crop(all, graphMargin, -graphMargin, graphMargin, -graphMargin)
	beside := legend.Rectangle(all).Size().X + 2*graphMargin
	p.Draw(draw.Crop(all, 0, -beside, 0, 0))
	legend.Draw(draw.Crop(all, all.Size().X-beside+2*graphMargin, 0, 0, -30)) // below the title
	var out bytes.Buffer
	if _, err := svg.WriteTo(&out); err != nil {
		return nil, err
	}
	// Few readers have the first font. The others are as wide.
	return bytes.ReplaceAll(out.Bytes(), []byte("font-family:Liberation Sans;"),
		[]byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;")), nil
}

// scaled are the places of the points that can be drawn. The logarithms are taken here, since
// plot.LogScale panics at 0 and makes room for the title of the axis at the wrong place.
func (g graph) scaled(points []point) (xys plotter.XYs) {
	for _, at := range points {
		if at.X <= 0 || g.LogY && at.Y <= 0 {
			continue
		}
		xy := plotter.XY{X: math.Log10(at.X), Y: at.Y}
		if g.LogY {
			xy.Y = math.Log10(at.Y)
		}
		xys = append(xys, xy)
	}
	return xys
}

// draw adds the series to the plot and to the legend, unless it has no point.
func (s series) draw(p *plot.Plot, legend *plot.Legend, xys plotter.XYs) error {
	if len(xys) == 0 {
		return nil
	}
	line, marks, err := plotter.NewLinePoints(xys)
	if err != nil {
		return err
	}
	line.Width, line.Color = 1.5, engineColour
	marks.Radius, marks.Shape, marks.Color = 3, draw.CircleGlyph{}, engineColour
	if s.Native {
		line.Color, marks.Color, marks.Shape = nativeColour, nativeColour, draw.BoxGlyph{}
	}
	if s.Dashed {
		line.Dashes = []vg.Length{5, 3}
	}
	p.Add(line, marks)
	legend.Add(s.Name, line, marks)
	return nil
}

// setAxes sets the ranges of the axes, and their ticks.
func (g graph) setAxes(p *plot.Plot) {
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		if axis.Min > axis.Max { // there are no points
			axis.Min, axis.Max = 0, 1
		}
	}
	p.X.Tick.Marker = g.measured()
	if g.LogY {
		p.Y.Min, p.Y.Max = roundDown(p.Y.Min), roundUp(p.Y.Max)
		p.Y.Tick.Marker = plot.TickerFunc(decades)
	} else {
		p.Y.Min, p.Y.Max = 0, p.Y.Max*1.05
		p.Y.Tick.Marker = plot.TickerFunc(linear)
	}
}

// measured are the ticks at every X that was measured.
func (g graph) measured() (ticks plot.ConstantTicks) {
	for _, s := range g.Series {
		for _, at := range s.Points {
			tick := plot.Tick{Value: math.Log10(at.X), Label: grouped(at.X)}
			if at.X > 0 && !slices.Contains(ticks, tick) {
				ticks = append(ticks, tick)
			}
		}
	}
	return ticks
}

// decades are the ticks of a logarithmic axis. A short axis has labels at 2 and 5 too.
func decades(low, high float64) (ticks []plot.Tick) {
	for decade := math.Floor(low); decade <= high; decade++ {
		for n := 1.0; n < 10; n++ {
			tick := plot.Tick{Value: decade + math.Log10(n)}
			if n == 1 || high-low < 2.5 && (n == 2 || n == 5) {
				tick.Label = grouped(n * math.Pow(10, decade))
			}
			ticks = append(ticks, tick)
		}
	}
	return ticks
}

// linear are the ticks of a linear axis.
func linear(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for i, tick := range ticks {
		if !tick.IsMinor() {
			ticks[i].Label = grouped(tick.Value)
		}
	}
	return ticks
}

// roundDown takes and gives a decimal logarithm: that of the next 1, 2 or 5 times a power of
// ten below.
func roundDown(exponent float64) float64 {
	decade := math.Floor(exponent)
	for _, n := range []float64{5, 2} {
		if rounded := decade + math.Log10(n); rounded <= exponent {
			return rounded
		}
	}
	return decade
}

// roundUp is roundDown for what is above: 1/2 and 1/5 are 5 and 2 times a power of ten.
func roundUp(exponent float64) float64 { return -roundDown(-exponent) }

// grouped writes 1000 as 1,000.
func grouped(n float64) string { return message.NewPrinter(language.English).Sprint(number.Decimal(n)) }

// texts parses a drawing and returns what is written in it.
func texts(t *testing.T, svg []byte) (all []string) {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(svg))
	for depth := []string{}; ; {
		token, err := decoder.Token()
		if err == io.EOF {
			return all
		}
		require.NoError(t, err)
		switch token := token.(type) {
		case xml.StartElement:
			depth = append(depth, token.Name.Local)
			require.Equal(t, "svg", depth[0])
		case xml.EndElement:
			depth = depth[:len(depth)-1]
		case xml.CharData:
			if len(depth) > 0 && depth[len(depth)-1] == "text" {
				all = append(all, string(token))
			}
		}
	}
}

// marksOf counts the circles of the engine's colour. The legend has one for each series.
func marksOf(svg []byte) int { return strings.Count(string(svg), `style="fill:#1F5FBF" />`) }

func TestGraph(t *testing.T) {
	t.Parallel()
	g := graph{Title: "Cost < work", X: "Sessions", Y: "Memory (KiB)", LogY: true, Series: []series{
		{Name: "wasiftp", Points: []point{{0, 3}, {10, 0}, {100, 40}, {1000, 5}, {10_000, -1}}},
		{Name: "raw Go server", Native: true, Dashed: true, Points: []point{{10, 7}, {30, 8.5}}},
		{Name: "nothing", Points: []point{{10, 0}}},
	}}
	svg, err := g.svg()
	require.NoError(t, err)
	written := texts(t, svg)
	for _, text := range []string{"Cost < work", "Sessions", "Memory (KiB)", "wasiftp", "raw Go server", "30", "1,000", "5", "50"} {
		require.Contains(t, written, text)
	}
	require.NotContains(t, written, "nothing")
	require.NotContains(t, written, "0")
	require.NotContains(t, string(svg), "NaN")
	require.NotContains(t, string(svg), "Inf")
	require.Equal(t, 2+1, marksOf(svg), "only those above 0 are drawn")

	g.LogY = false
	svg, err = g.svg()
	require.NoError(t, err)
	require.Contains(t, texts(t, svg), "0")
	require.Equal(t, 3+1+1+1, marksOf(svg), "a linear axis begins at 0")
}

func TestGraphOfOnePointAndOfNone(t *testing.T) {
	t.Parallel()
	for _, points := range [][]point{nil, {{1, 1}}, {{1, 0}}} {
		for _, logarithmic := range []bool{false, true} {
			svg, err := graph{Title: "T", X: "X", Y: "Y", LogY: logarithmic, Series: []series{{Name: "S", Points: points}}}.svg()
			require.NoError(t, err)
			require.Subset(t, texts(t, svg), []string{"T", "X", "Y"})
			require.NotContains(t, string(svg), "NaN")
			require.NotContains(t, string(svg), "Inf")
		}
	}
}
