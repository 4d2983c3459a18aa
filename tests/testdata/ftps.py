# Fetches and sends by Python's ftplib: ftps.py plain|explicit EPSV|PASV|EPRT|PORT host port [ca.pem file...].
# Fetches down.bin to down.bin and sends up.bin, or only sends the files named.
import ftplib
import ssl
import sys

security, verb, host, port, ca, *files = sys.argv[1:]
if security == "plain":
    ftp = ftplib.FTP(timeout=20)
else:
    ftp = ftplib.FTP_TLS(timeout=20, context=ssl.create_default_context(cafile=ca))
ftp.set_debuglevel(1)
ftp.set_pasv(verb in ("EPSV", "PASV"))
ftp.connect(host, int(port))
ftp.login("u", "p")
if security != "plain":
    ftp.prot_p()
if not files:
    with open("down.bin", "wb") as f:
        ftp.retrbinary("RETR down.bin", f.write)
    files = ["up.bin"]
for name in files:
    with open(name, "rb") as f:
        ftp.storbinary("STOR " + name, f)
ftp.quit()
