# Fetches down.bin and sends files by Perl's Net::FTP, up.bin unless others are
# named: ftps.pl plain|explicit|implicit EPSV|PASV|EPRT|PORT host port ca.pem
# [file...]. By the family of the address it takes EPSV or PASV, EPRT or PORT itself.
use strict;
use warnings;
use Net::FTP;

my ($security, $verb, $host, $port, $ca, @files) = @ARGV;
my $ftp = Net::FTP->new($host, Port => $port, Passive => scalar($verb =~ /SV$/), Debug => 1, Timeout => 20,
	SSL => $security eq "implicit", SSL_ca_file => $ca, SSL_verifycn_name => "localhost") or die $@;
if ($security eq "explicit") {
	$ftp->starttls or die $ftp->message;
}
$ftp->login("u", "p") or die $ftp->message;
$ftp->binary;
if (!@files) {
	$ftp->get("down.bin") or die $ftp->message;
	@files = ("up.bin");
}
for my $file (@files) {
	$ftp->put($file) or die "$file: " . $ftp->message;
}
$ftp->quit;
