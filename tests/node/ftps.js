// Fetches down.bin and sends files by basic-ftp, up.bin unless others are named:
// ftps.js plain|explicit|implicit EPSV|PASV host port ca.pem [file...].
"use strict";
const fs = require("fs");
const { Client, enterPassiveModeIPv4, enterPassiveModeIPv6 } = require("basic-ftp");

async function main(security, verb, host, port, ca, ...files) {
	const client = new Client(20000);
	client.ftp.verbose = true;
	client.prepareTransfer = verb === "PASV" ? enterPassiveModeIPv4 : enterPassiveModeIPv6;
	try {
		await client.access({
			host, port: Number(port), user: "u", password: "p",
			secure: { plain: false, explicit: true, implicit: "implicit" }[security],
			secureOptions: { ca: fs.readFileSync(ca), servername: "localhost" },
		});
		if (files.length === 0) {
			await client.downloadTo("down.bin", "down.bin");
			files = ["up.bin"];
		}
		for (const file of files) {
			await client.uploadFrom(file, file);
		}
	} finally {
		client.close();
	}
}

main(...process.argv.slice(2)).catch((err) => {
	console.error(err);
	process.exit(1);
});
