package conn

import (
	"context"
	"io"
	"math"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxBlocking = 64                     // threads that wait in sendfile
	blockTime   = 100 * time.Millisecond // after which a waiting one looks whether it shall go on
	blockPiece  = 8 << 20
)

var blocking atomic.Int32

// SendFile sends up to n bytes of a file, all if n is 0, on a thread that waits: Go's poller
// would wake a goroutine for each bufferful. It tells sent of the bytes that went. Where it
// can't, done is false, and nothing has happened.
func SendFile(ctx context.Context, to net.Conn, from io.Reader, n int64, sent func(int64)) (done bool, err error) {
	file, isFile := from.(*os.File)
	_, isTCP := to.(*net.TCPConn)
	if !isFile || !isTCP {
		return false, nil
	}
	defer blocking.Add(-1)
	if blocking.Add(1) > maxBlocking {
		return false, nil
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return false, nil
	}
	control(to, func(socket uintptr) {
		raw.Control(func(fd uintptr) { done, err = sendBlocking(ctx, int(socket), int(fd), n, sent) })
	})
	return done, err
}

func sendBlocking(ctx context.Context, socket, file int, n int64, sent func(int64)) (done bool, err error) {
	timeout := unix.NsecToTimeval(int64(blockTime))
	if unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &timeout) != nil || unix.SetNonblock(socket, false) != nil {
		return false, nil
	}
	defer unix.SetNonblock(socket, true)
	if n == 0 {
		n = math.MaxInt64
	}
	for n > 0 && ctx.Err() == nil {
		went, err := unix.Sendfile(socket, file, nil, int(min(n, blockPiece)))
		switch {
		case went > 0:
			n -= int64(went)
			sent(int64(went))
		case err == nil:
			return true, nil
		case err != unix.EAGAIN && err != unix.EINTR:
			return true, os.NewSyscallError("sendfile", err)
		}
	}
	return true, ctx.Err()
}
