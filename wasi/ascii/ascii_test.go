package ascii

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// Each text as it is in a file, on the wire, and in the file that comes of it.
var asciiTexts = []struct{ file, wire, back string }{
	{"", "", ""},
	{"one line", "one line", "one line"},
	{"a\n", "a\r\n", "a\n"},
	{"\n", "\r\n", "\n"},
	{"\n\n\n", "\r\n\r\n\r\n", "\n\n\n"},
	{"a\nb\nc", "a\r\nb\r\nc", "a\nb\nc"},
	{"a\r\n", "a\r\n", "a\n"}, // it ends in CRLF already
	{"a\r", "a\r", "a\r"},
	{"\r", "\r", "\r"},
	{"\r\r\n", "\r\r\n", "\r\n"},
	{"\r\r", "\r\r", "\r\r"},
	{"\r\rx", "\r\rx", "\r\rx"},
	{"\n\r", "\r\n\r", "\n\r"},
	{"\n\r\n", "\r\n\r\n", "\n\n"},
	{"\x00\xff\r\x00\n", "\x00\xff\r\x00\r\n", "\x00\xff\r\x00\n"},
}

func encoded(t *testing.T, src io.Reader) string {
	t.Helper()
	var out bytes.Buffer
	if err := Encode(&out, src); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func decoded(t *testing.T, src io.Reader) string {
	t.Helper()
	var out bytes.Buffer
	if err := Decode(&out, src); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// pieces reads a text in two pieces, cut anywhere.
func pieces(text string, cut int) io.Reader {
	return io.MultiReader(strings.NewReader(text[:cut]), strings.NewReader(text[cut:]))
}

func TestLinesAtEverySplit(t *testing.T) {
	t.Parallel()
	for _, c := range asciiTexts {
		for cut := range len(c.file) + 1 {
			if got := encoded(t, pieces(c.file, cut)); got != c.wire {
				t.Errorf("%q cut at %d goes out as %q, not %q", c.file, cut, got, c.wire)
			}
		}
		for cut := range len(c.wire) + 1 {
			if got := decoded(t, pieces(c.wire, cut)); got != c.back {
				t.Errorf("%q cut at %d comes in as %q, not %q", c.wire, cut, got, c.back)
			}
		}
		for name, slow := range map[string]func(io.Reader) io.Reader{
			"by bytes": iotest.OneByteReader, "with its end": iotest.DataErrReader, "by halves": iotest.HalfReader,
		} {
			if got := encoded(t, slow(strings.NewReader(c.file))); got != c.wire {
				t.Errorf("%q %s goes out as %q, not %q", c.file, name, got, c.wire)
			}
			if got := decoded(t, slow(strings.NewReader(c.wire))); got != c.back {
				t.Errorf("%q %s comes in as %q, not %q", c.wire, name, got, c.back)
			}
		}
	}
}

// A text that is longer than a piece is cut where a line end stands.
func TestLinesAtThePiece(t *testing.T) {
	t.Parallel()
	for shift := -2; shift <= 2; shift++ {
		for _, end := range []string{"\n", "\r\n", "\r", "\r\r\n"} {
			file := strings.Repeat("x", piece+shift) + end + "rest"
			wire := strings.ReplaceAll(strings.ReplaceAll(file, "\r\n", "\n"), "\n", "\r\n")
			if got := encoded(t, strings.NewReader(file)); got != wire {
				t.Errorf("%q at %+d goes out wrong", end, shift)
			}
			if got, want := decoded(t, strings.NewReader(wire)), strings.ReplaceAll(wire, "\r\n", "\n"); got != want {
				t.Errorf("%q at %+d comes in wrong", end, shift)
			}
		}
	}
}

// Not a line is lost when the wire breaks: what came is written.
func TestLinesUpToAFault(t *testing.T) {
	t.Parallel()
	fault := errors.New("it broke")
	for text, want := range map[string]string{"a\r\nb": "a\nb", "a\r\n": "a\n", "": ""} {
		var out bytes.Buffer
		err := Decode(&out, io.MultiReader(strings.NewReader(text), iotest.ErrReader(fault)))
		if !errors.Is(err, fault) || out.String() != want {
			t.Errorf("%q, and a fault: %q, %v", text, out.String(), err)
		}
		out.Reset()
		err = Encode(&out, io.MultiReader(strings.NewReader(want), iotest.ErrReader(fault)))
		if !errors.Is(err, fault) || out.String() != strings.ReplaceAll(want, "\n", "\r\n") {
			t.Errorf("%q, and a fault: %q, %v", want, out.String(), err)
		}
	}
	full := errors.New("it is full")
	for name, copyLines := range map[string]func(io.Writer, io.Reader) error{"encode": Encode, "decode": Decode} {
		if err := copyLines(failing{full}, strings.NewReader("a\r\nb")); !errors.Is(err, full) {
			t.Errorf("%s to a full disk: %v", name, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func FuzzLines(f *testing.F) {
	if len(asciiTexts) == 0 {
		f.Fatal("no seeds")
	}
	for _, c := range asciiTexts {
		f.Add([]byte(c.file), uint(1))
		f.Add([]byte(c.wire), uint(len(c.wire)))
	}
	f.Fuzz(func(t *testing.T, file []byte, cut uint) {
		at := int(cut % uint(len(file)+1))
		wire := encoded(t, pieces(string(file), at))
		for i := range wire { // every LF has its CR
			if wire[i] == '\n' && (i == 0 || wire[i-1] != '\r') {
				t.Errorf("%q goes out as %q", file, wire)
			}
		}
		if again := encoded(t, strings.NewReader(wire)); again != wire {
			t.Errorf("%q is not stable: %q", wire, again)
		}
		at = int(cut % uint(len(wire)+1))
		back := decoded(t, pieces(wire, at))
		if want := strings.ReplaceAll(string(file), "\r\n", "\n"); back != want {
			t.Errorf("%q came back as %q", file, back)
		}
		if got, want := decoded(t, pieces(string(file), int(cut%uint(len(file)+1)))), strings.ReplaceAll(string(file), "\r\n",
			"\n"); got != want {
			t.Errorf("%q comes in as %q", file, got)
		}
	})
}
