# A client by Python's ftplib: client.py host port passive|active folder. The
# folder is on both sides, with the same files; uploads go to its folder "up".
import ftplib
import io
import os
import sys

host, port, way, folder = sys.argv[1:]


def connect():
    ftp = ftplib.FTP(timeout=20, encoding="utf-8")
    ftp.connect(host, int(port))
    ftp.login("u", "p")
    ftp.set_pasv(way == "passive")
    ftp.cwd(folder)
    return ftp


def fetch(ftp, name, rest=None):
    got = io.BytesIO()
    ftp.retrbinary("RETR " + name, got.write, rest=rest)
    return got.getvalue()


ftp = connect()
assert ftp.pwd() == "/" + folder, ftp.pwd()
files = {name: open(os.path.join(folder, name), "rb").read() for name in os.listdir(folder)}

# Listings, each in its own form.
assert set(ftp.nlst()) == set(files), ftp.nlst()
facts = {name: fact for name, fact in ftp.mlsd(facts=["type", "size", "modify"])}
for name, content in files.items():
    assert facts[name]["type"] == "file" and int(facts[name]["size"]) == len(content), (name, facts[name])
    assert len(facts[name]["modify"]) >= 14
lines = []
ftp.dir(lines.append)
for name in files:
    assert any(line.endswith(" " + name) for line in lines), (name, lines)
lines = []
ftp.retrlines("NLST 64k*", lines.append)
assert sorted(lines) == ["64k+1.bin", "64k-1.bin", "64k.bin"], lines

# Transfers.
assert ftp.mkd("up") == "/" + folder + "/up"
ftp.voidcmd("TYPE I")
for name, content in files.items():
    assert fetch(ftp, name) == content, name
    assert ftp.size(name) == len(content), name
    ftp.storbinary("STOR up/" + name, io.BytesIO(content))
    assert fetch(ftp, "up/" + name) == content, name

# Resume: REST down, REST and APPE up.
large = files["large.bin"]
assert fetch(ftp, "large.bin", rest=1000001) == large[1000001:]
ftp.storbinary("STOR part.bin", io.BytesIO(large[:70000]))
ftp.storbinary("STOR part.bin", io.BytesIO(large[50000:]), rest=50000)
assert fetch(ftp, "part.bin") == large
ftp.storbinary("STOR part.bin", io.BytesIO(large[:70000]))
ftp.storbinary("APPE part.bin", io.BytesIO(large[70000:]))
assert fetch(ftp, "part.bin") == large
ftp.delete("part.bin")

# ASCII.
ftp.storlines("STOR text", io.BytesIO(b"one\r\ntwo\n"))
lines = []
ftp.retrlines("RETR text", lines.append)
assert lines == ["one", "two"], lines

# Files and directories.
ftp.mkd("a b")
ftp.rename("up/one.bin", "a b/o.bin")
assert [name for name in ftp.nlst("a b")] == ["a b/o.bin"], ftp.nlst("a b")
ftp.rename("a b/o.bin", "up/one.bin")
ftp.rmd("a b")
for wrong in (lambda: ftp.delete("none"), lambda: ftp.rmd("up"), lambda: ftp.cwd("none"), lambda: ftp.mkd("up")):
    try:
        wrong()
    except ftplib.error_perm as e:
        assert str(e).startswith("550"), e
    else:
        raise AssertionError("no error")
assert ftp.sendcmd("MFMT 20200229123456 text").startswith("213")
assert ftp.sendcmd("MDTM text") == "213 20200229123456"

# Given up in the middle, by urgent data; the session goes on.
data = ftp.transfercmd("RETR large.bin")
assert data.recv(1)
assert ftp.abort()[:3] in ("225", "226", "426")
data.close()
ftp.close()

# A second session in the middle of the first's transfer.
one, two = connect(), connect()
one.voidcmd("TYPE I")
data = one.transfercmd("STOR both")
data.sendall(b"1")
assert fetch(two, "one.bin") == files["one.bin"]
data.sendall(b"1")
data.close()
one.voidresp()
assert fetch(two, "both") == b"11"
one.quit()
two.quit()
print("all is well")
