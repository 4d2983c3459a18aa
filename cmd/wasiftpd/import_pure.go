package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"wasiftp/cmd/wasiftpd/admin"
)

// The fields of a line of pure-pw, as README.Virtual-Users of Pure-FTPd lists them. Those
// after the home may be missing or empty. Rates are bytes a second.
const (
	pureName, pureHash, pureHome       = 0, 1, 5
	pureUp, pureDown                   = 6, 7
	pureUpRatio, pureDownRatio         = 8, 9
	pureSessions, pureFiles, pureBytes = 10, 11, 12
	pureServers, pureNotServers        = 13, 14
	pureClients, pureNotClients        = 15, 16
	pureHours, pureAll                 = 17, 18
)

// pureFTPd reads lines of pure-pw.
func (i *importer) pureFTPd(lines []string) error {
	for at, line := range lines {
		if emptyLine(line) {
			continue
		}
		fields := strings.Split(line, ":")
		if len(fields) < 6 || strings.Join(fields[min(len(fields), pureAll):], "") != "" {
			i.fault(at+1, fmt.Errorf("it has %d fields, and a line of pure-pw 6 to %d; an IPv6 address has colons, and can't "+
				"stand in one", len(fields), pureAll))
			continue
		}
		fields = slices.Concat(fields, make([]string, pureAll))[:pureAll]
		u, err := i.pureUser(at+1, fields)
		if err != nil {
			i.fault(at+1, fmt.Errorf("user %q: %w", u.Name, err))
			continue
		}
		i.add(at+1, u)
	}
	i.dropOwners()
	return nil
}

func (i *importer) pureUser(n int, fields []string) (u importedUser, err error) {
	u = importedUser{Name: fields[pureName], Password: fields[pureHash]}
	numbers := map[int]int64{}
	for _, at := range []int{pureUp, pureDown, pureSessions, pureFiles, pureBytes} {
		if fields[at] == "" {
			continue
		}
		if numbers[at], err = strconv.ParseInt(fields[at], 10, 64); err != nil || numbers[at] < 0 {
			return u, fmt.Errorf("field %d is %q and no whole number, 0 or more", at+1, fields[at])
		}
	}
	if up, down := numbers[pureUp], numbers[pureDown]; up+down > 0 {
		u.Rate = fmt.Sprintf("%d:%d", up, down)
	}
	if bytes, files := numbers[pureBytes], numbers[pureFiles]; files > 0 {
		u.Quota = fmt.Sprintf("%d:%d", bytes, files)
	} else if bytes > 0 {
		u.Quota = fmt.Sprint(bytes)
	}
	u.Sessions = int(numbers[pureSessions])
	if u.Hours, err = pureSpan(fields[pureHours]); err != nil {
		return u, err
	}
	if u.AllowFrom, err = i.pureNetworks(n, u.Name, fields[pureClients]); err != nil {
		return u, err
	}
	for _, ratio := range []int{pureUpRatio, pureDownRatio} {
		if fields[ratio] == "0" {
			fields[ratio] = ""
		}
	}
	for _, left := range []struct {
		what string
		at   int
	}{
		{"upload ratio", pureUpRatio}, {"download ratio", pureDownRatio},
		{"server addresses allowed", pureServers}, {"server addresses refused", pureNotServers},
		{"client addresses refused", pureNotClients},
	} {
		if value := fields[left.at]; value != "" {
			i.drop(n, "the %s of user %q: %s", left.what, u.Name, value)
		}
	}
	u.Root = i.pureRoot(n, u.Name, fields[pureHome])
	return u, nil
}

// pureRoot is the folder of a home. /./ in it ends the folder that the user is confined to.
func (i *importer) pureRoot(n int, name, home string) string {
	root, first, confined := strings.Cut(home, "/./")
	if !confined {
		i.drop(n, "the way of user %q out of %s: here no user leaves his folder", name, home)
	}
	if first != "" {
		i.drop(n, "the folder %q in which user %q begins: here each begins at the top of his own", first, name)
	}
	if root == "" && confined {
		return "/"
	}
	return root
}

// pureNetworks are the networks of a list of pure-pw. Names of clients are left out, but
// some network must be left: none would let the user in from everywhere.
func (i *importer) pureNetworks(n int, name, list string) (networks []string, err error) {
	if list == "" {
		return nil, nil
	}
	for client := range strings.SplitSeq(list, ",") {
		client = strings.TrimSpace(client)
		if p, err := netip.ParsePrefix(client); err == nil {
			client = p.Masked().String()
		}
		network, err := admin.ParseNetwork(client)
		if err != nil {
			i.drop(n, "%q, from where user %q may come: it is no network", client, name)
			continue
		}
		networks = append(networks, network.String())
	}
	if networks == nil {
		return nil, fmt.Errorf("he may come from %s, which is no network such as 192.0.2.0/24; write one in its place", list)
	}
	return networks, nil
}

// pureSpan reads hours such as 900-1800, which are written without zeros before them.
func pureSpan(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	begin, end, _ := strings.Cut(text, "-")
	from, wrong := strconv.ParseUint(begin, 10, 16)
	to, err := strconv.ParseUint(end, 10, 16)
	if errors.Join(wrong, err) != nil {
		return nil, fmt.Errorf("the hours are %q and no HHMM-HHMM such as 0900-1800", text)
	}
	hours := fmt.Sprintf("%02d:%02d-%02d:%02d", from/100, from%100, to/100, to%100)
	if _, err := parseSpan(hours); err != nil {
		return nil, err
	}
	return []string{hours}, nil
}
