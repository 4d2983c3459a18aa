# Fetches down.bin and sends files by Ruby's Net::FTP, up.bin unless others are
# named: ftps.rb plain|explicit EPSV|PASV|EPRT|PORT host port ca.pem [file...]. By
# the family of the address it takes EPSV or PASV, EPRT or PORT itself.
require "net/ftp"

security, verb, host, port, ca, *files = ARGV
passive = verb.end_with?("SV")
options = { port: port.to_i, username: "u", password: "p", passive: passive, debug_mode: true, open_timeout: 20, read_timeout: 20 }
if security == "explicit"
  options[:ssl] = { ca_file: ca, verify_mode: OpenSSL::SSL::VERIFY_PEER, verify_hostname: false }
end
Net::FTP.open(host, **options) do |ftp|
  if files.empty?
    ftp.getbinaryfile("down.bin", "down.bin")
    files = ["up.bin"]
  end
  files.each { |name| ftp.putbinaryfile(name, name) }
end
