// Fetches and sends by basic-ftp: ftps.js plain|explicit|implicit EPSV|PASV host port ca.pem.
"use strict";
const fs = require("fs");
const { Client, enterPassiveModeIPv4, enterPassiveModeIPv6 } = require("basic-ftp");

async function main(security, verb, host, port, ca) {
	const client = new Client(20000);
	client.ftp.verbose = true;
	client.prepareTransfer = verb === "PASV" ? enterPassiveModeIPv4 : enterPassiveModeIPv6;
	try {
		await client.access({
			host, port: Number(port), user: "u", password: "p",
			secure: { plain: false, explicit: true, implicit: "implicit" }[security],
			secureOptions: { ca: fs.readFileSync(ca), servername: "localhost" },
		});
		await client.downloadTo("down.bin", "down.bin");
		await client.uploadFrom("up.bin", "up.bin");
	} finally {
		client.close();
	}
}

main(...process.argv.slice(2)).catch((err) => {
	console.error(err);
	process.exit(1);
});
