# Uploads by programs that are killed: killed.py host port clients. Each sends a file
# whose name tells its size, piece by piece, and dies at a random moment, by a signal
# that it cannot catch. Prints how many had not said QUIT by then.
import ftplib
import os
import random
import signal
import sys
import time

host, port, clients = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
AT_ONCE = 16
PIECE = 8192


def upload(number):
    size = random.randrange(1, 40) * PIECE + number % 7
    ftp = ftplib.FTP(timeout=60)
    ftp.connect(host, port)
    ftp.login("u", "p")
    ftp.voidcmd("TYPE I")
    with ftp.transfercmd("STOR %d.%d" % (number, size)) as data:
        os.write(report, b"!")  # from here on it may die
        for _ in range(size // PIECE):
            data.sendall(b"x" * PIECE)
            time.sleep(random.random() / 200)
        data.sendall(b"x" * (size % PIECE))
    ftp.voidresp()
    ftp.quit()


killed = 0
children = {}
for number in range(clients):
    ready, report = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ready)
        upload(number)
        os._exit(0)
    os.close(report)
    children[child] = ready
    if len(children) == AT_ONCE or number == clients - 1:
        for child, ready in children.items():
            os.read(ready, 1)
            os.close(ready)
        for child in sorted(children, key=lambda _: random.random()):
            time.sleep(random.random() / 500)
            os.kill(child, signal.SIGKILL)
        for child in children:
            _, status = os.waitpid(child, 0)
            killed += os.WIFSIGNALED(status)
        children = {}
print(killed)
