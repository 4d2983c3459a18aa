package errno

import (
	"net"

	"golang.org/x/sys/windows"

	"wasiftp/wasi"
)

// ofSystem are the errors of Windows and of package net. The errors that package syscall
// has under the names of Unix are inventions of Go on Windows.
var ofSystem = []crossing{
	{net.ErrClosed, wasi.ECANCELED},
	{windows.ERROR_DIRECTORY, wasi.ENOTDIR},
	{windows.ERROR_DIR_NOT_EMPTY, wasi.ENOTEMPTY},
	{windows.ERROR_NOT_SAME_DEVICE, wasi.EXDEV},
	{windows.ERROR_WRITE_PROTECT, wasi.EACCES},
	{windows.ERROR_INVALID_NAME, wasi.EINVAL},
	{windows.ERROR_FILENAME_EXCED_RANGE, wasi.EINVAL},
	{windows.ERROR_DISK_FULL, wasi.ENOSPC},
	{windows.ERROR_HANDLE_DISK_FULL, wasi.ENOSPC},
	{windows.ERROR_DISK_QUOTA_EXCEEDED, wasi.EDQUOT},
	{windows.ERROR_FILE_TOO_LARGE, wasi.EFBIG},
	{windows.ERROR_SHARING_VIOLATION, wasi.EBUSY},
	{windows.ERROR_LOCK_VIOLATION, wasi.EBUSY},
	{windows.ERROR_TOO_MANY_OPEN_FILES, wasi.EMFILE},
	{windows.WSAEMFILE, wasi.EMFILE},
	{windows.WSAEADDRINUSE, wasi.EADDRINUSE},
	{windows.WSAEADDRNOTAVAIL, wasi.EADDRINUSE},
	{windows.WSAECONNREFUSED, wasi.ECONNREFUSED},
	{windows.WSAECONNRESET, wasi.ECONNRESET},
	{windows.WSAECONNABORTED, wasi.ECONNRESET},
	{windows.WSAENETDOWN, wasi.ECONNRESET},
	{windows.WSAENETUNREACH, wasi.ECONNRESET},
	{windows.WSAEHOSTUNREACH, wasi.ECONNRESET},
	{windows.WSAESHUTDOWN, wasi.EPIPE},
	{windows.ERROR_BROKEN_PIPE, wasi.EPIPE},
	{windows.WSAETIMEDOUT, wasi.ETIMEDOUT},
}
