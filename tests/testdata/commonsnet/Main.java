// A client by Apache commons-net: Main plain|explicit|implicit EPSV|PASV|EPRT|PORT host port folder ca.pem. The
// folder is on both sides, with the same files; uploads go to its folder "up".
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import javax.net.ssl.TrustManagerFactory;
import org.apache.commons.net.PrintCommandListener;
import org.apache.commons.net.ftp.FTP;
import org.apache.commons.net.ftp.FTPClient;
import org.apache.commons.net.ftp.FTPFile;
import org.apache.commons.net.ftp.FTPListParseEngine;
import org.apache.commons.net.ftp.FTPReply;
import org.apache.commons.net.ftp.FTPSClient;

public final class Main {
	private final FTPClient ftp;
	private final Map<String, byte[]> files = new HashMap<>();

	private Main(FTPClient ftp, String folder) throws IOException {
		this.ftp = ftp;
		try (DirectoryStream<Path> all = Files.newDirectoryStream(Path.of(folder))) {
			for (Path p : all) {
				files.put(p.getFileName().toString(), Files.readAllBytes(p));
			}
		}
	}

	public static void main(String[] arguments) throws Exception {
		String security = arguments[0], verb = arguments[1], folder = arguments[4];
		FTPClient ftp = security.equals("plain") ? new FTPClient() : secure(security.equals("implicit"), arguments[5]);
		ftp.addProtocolCommandListener(new PrintCommandListener(new PrintWriter(System.out), true));
		ftp.setControlEncoding("UTF-8");
		ftp.setConnectTimeout(20000);
		ftp.setDefaultTimeout(20000);
		ftp.setDataTimeout(Duration.ofSeconds(20));
		ftp.setUseEPSVwithIPv4(verb.equals("EPSV"));
		ftp.connect(arguments[2], Integer.parseInt(arguments[3]));
		check(FTPReply.isPositiveCompletion(ftp.getReplyCode()), "greeting");
		if (ftp instanceof FTPSClient) {
			((FTPSClient) ftp).execPBSZ(0);
			((FTPSClient) ftp).execPROT("P");
		}
		check(!ftp.login("u", "wrong") && ftp.getReplyCode() == 530, "a wrong password");
		check(ftp.login("u", "p"), "login");
		if (verb.startsWith("E") ? verb.equals("EPSV") : verb.equals("PASV")) {
			ftp.enterLocalPassiveMode();
		} else {
			ftp.enterLocalActiveMode();
		}
		check(ftp.changeWorkingDirectory(folder), "CWD");
		check(ftp.printWorkingDirectory().equals("/" + folder), "PWD");

		Main client = new Main(ftp, folder);
		client.transfers();
		client.listings();
		client.resumes();
		client.text();
		client.names();
		client.abort();
		check(ftp.logout(), "logout");
		ftp.disconnect();
		System.out.println("all is well");
	}

	/** secure trusts the server's certificate alone. */
	private static FTPSClient secure(boolean implicit, String ca) throws Exception {
		KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
		store.load(null, null);
		try (InputStream in = Files.newInputStream(Path.of(ca))) {
			store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
		}
		TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
		trust.init(store);
		FTPSClient ftps = new FTPSClient(implicit);
		ftps.setTrustManager(trust.getTrustManagers()[0]);
		return ftps;
	}

	private static void check(boolean good, String what) {
		if (!good) {
			throw new AssertionError(what);
		}
	}

	private byte[] fetch(String name) throws IOException {
		ByteArrayOutputStream to = new ByteArrayOutputStream();
		check(ftp.retrieveFile(name, to), "RETR " + name);
		return to.toByteArray();
	}

	private boolean send(String name, byte[] content) throws IOException {
		return ftp.storeFile(name, new ByteArrayInputStream(content));
	}

	private void transfers() throws IOException {
		check(ftp.makeDirectory("up"), "MKD");
		check(ftp.setFileType(FTP.BINARY_FILE_TYPE), "TYPE I");
		for (Map.Entry<String, byte[]> file : files.entrySet()) {
			check(Arrays.equals(fetch(file.getKey()), file.getValue()), file.getKey());
			check(send("up/" + file.getKey(), file.getValue()), "STOR " + file.getKey());
			check(Arrays.equals(fetch("up/" + file.getKey()), file.getValue()), "up/" + file.getKey());
			check(ftp.getSize(file.getKey()).equals(Integer.toString(file.getValue().length)), "SIZE");
		}
		// A NOOP for every few milliseconds that a transfer takes.
		ftp.setControlKeepAliveTimeout(Duration.ofMillis(2));
		check(Arrays.equals(fetch("large.bin"), files.get("large.bin")), "RETR with NOOP");
		check(send("up/large.bin", files.get("large.bin")), "STOR with NOOP");
		ftp.setControlKeepAliveTimeout(Duration.ZERO);
		check(ftp.sendNoOp(), "NOOP");
	}

	private void listings() throws IOException {
		compare(ftp.listFiles("up"), "LIST"); // by its UnixFTPEntryParser
		compare(ftp.mlistDir("up"), "MLSD");
		FTPListParseEngine pages = ftp.initiateListParsing("up");
		check(pages.getNext(3).length == 3 && pages.hasNext() && pages.getNext(100).length == files.size() - 3, "pages");
		check(new TreeSet<>(Arrays.asList(ftp.listNames())).containsAll(files.keySet()), "NLST");
		check(ftp.listNames("64k*").length == 3, "NLST 64k*");
		check(ftp.listFiles("none").length == 0, "LIST none");
		check(ftp.listDirectories().length == 1 && ftp.listDirectories()[0].getName().equals("up"), "directories");
		FTPFile one = ftp.mlistFile("one.bin");
		check(one.isFile() && one.getSize() == 1, "MLST");
		check(ftp.getStatus().startsWith("211"), "STAT");
		check(ftp.getStatus("up").contains("large.bin"), "STAT up");
		check(ftp.hasFeature("MLST") && ftp.hasFeature("REST", "STREAM") && ftp.getSystemType().startsWith("UNIX"), "FEAT, SYST");
	}

	private void compare(FTPFile[] listing, String verb) {
		Set<String> names = new TreeSet<>();
		for (FTPFile file : listing) {
			if (file.isFile()) {
				names.add(file.getName());
				check(file.getSize() == files.get(file.getName()).length, verb + " size of " + file.getName());
				long age = System.currentTimeMillis() - file.getTimestamp().getTimeInMillis();
				check(Math.abs(age) < 600_000, verb + " time of " + file.getName() + ", of " + age + " ms ago");
				check(file.hasPermission(FTPFile.USER_ACCESS, FTPFile.READ_PERMISSION) || verb.equals("MLSD"), verb + " mode");
			}
		}
		check(names.equals(files.keySet()), verb + " " + names);
	}

	private void resumes() throws IOException {
		byte[] large = files.get("large.bin");
		ftp.setRestartOffset(1_000_001);
		check(Arrays.equals(fetch("large.bin"), Arrays.copyOfRange(large, 1_000_001, large.length)), "REST, RETR");
		check(send("part", Arrays.copyOf(large, 70_000)), "STOR part");
		ftp.setRestartOffset(50_000);
		check(send("part", Arrays.copyOfRange(large, 50_000, large.length)), "REST, STOR");
		check(Arrays.equals(fetch("part"), large), "after REST, STOR");
		check(send("part", Arrays.copyOf(large, 70_000)), "STOR part again");
		check(ftp.appendFile("part", new ByteArrayInputStream(large, 70_000, large.length)), "APPE");
		check(Arrays.equals(fetch("part"), large), "after APPE");
		check(ftp.deleteFile("part") && !ftp.deleteFile("part") && ftp.getReplyCode() == 550, "DELE");
		check(ftp.storeUniqueFile(new ByteArrayInputStream(large, 0, 10)), "STOU");
	}

	private void text() throws IOException {
		byte[] lines = "one\ntwo\n".getBytes(StandardCharsets.UTF_8);
		check(ftp.setFileType(FTP.ASCII_FILE_TYPE), "TYPE A");
		check(send("text", lines), "STOR in ASCII");
		check(Arrays.equals(fetch("text"), lines), "RETR in ASCII");
		check(ftp.setFileType(FTP.BINARY_FILE_TYPE), "TYPE I");
		check(Arrays.equals(fetch("text"), lines), "RETR of it in binary");
	}

	private void names() throws IOException {
		check(ftp.makeDirectory("a b") && ftp.rename("up/one.bin", "a b/o.bin"), "RNTO");
		check(ftp.listNames("a b").length == 1, "NLST a b");
		check(!ftp.removeDirectory("a b") && ftp.getReplyCode() == 550, "RMD of what is not empty");
		check(ftp.rename("a b/o.bin", "up/one.bin") && ftp.removeDirectory("a b"), "RMD");
		check(ftp.setModificationTime("text", "20200229123456"), "MFMT");
		check(ftp.getModificationTime("text").contains("20200229123456"), "MDTM");
		check(ftp.mdtmFile("text").getTimestamp().getTimeInMillis() == 1582979696000L, "MDTM as a time");
		check(ftp.sendSiteCommand("CHMOD 600 text"), "SITE CHMOD");
		check(ftp.allocate(100) && ftp.structureMount("/") == false, "ALLO, SMNT");
		check(ftp.changeToParentDirectory() && ftp.printWorkingDirectory().equals("/"), "CDUP");
	}

	/** abort gives up a download in the middle; the session goes on. */
	private void abort() throws IOException {
		InputStream in = ftp.retrieveFileStream("up.bin");
		check(in.read() >= 0, "a byte");
		boolean aborted = ftp.abort();
		in.close();
		// There is a reply to RETR and one to ABOR, of which one is read.
		check(aborted || ftp.getReplyCode() == 426 || ftp.getReplyCode() == 226, "ABOR");
		check(FTPReply.isPositiveCompletion(ftp.getReply()), "after ABOR");
		check(ftp.sendNoOp(), "NOOP after ABOR");
		OutputStream out = ftp.storeFileStream("stream");
		out.write(1);
		out.close();
		check(ftp.completePendingCommand(), "after a stream");
	}
}
