package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// who is a user of the image, by its /etc/passwd and /etc/group.
type who struct {
	name   string
	uid    uint32
	gid    uint32
	groups []uint32
	home   string
}

// userOf is who runs a step. The group that USER may name has no part in it: so it is with Kaniko.
func userOf(text string) (*who, error) {
	name, _, _ := strings.Cut(text, ":")
	if name == "" {
		return &who{name: "root", groups: []uint32{0}, home: "/root"}, nil
	}
	found, err := findUser(name)
	if err != nil {
		return nil, err
	}
	if found.name == "" {
		return found, nil
	}
	for _, line := range lines("/etc/group") {
		if len(line) < 4 || !slices.Contains(strings.Split(line[3], ","), found.name) {
			continue
		}
		if gid, err := number(line[2]); err == nil {
			found.groups = append(found.groups, gid)
		}
	}
	return found, nil
}

// findUser takes a name, or a number, which need not be known: then it has no name, and is its own
// group.
func findUser(name string) (*who, error) {
	uid, notNumber := number(name)
	for _, line := range lines("/etc/passwd") {
		if len(line) < 6 || line[0] != name && line[2] != name {
			continue
		}
		found, err := number(line[2])
		gid, errGroup := number(line[3])
		if err == nil && errGroup == nil {
			return &who{name: line[0], uid: found, gid: gid, groups: []uint32{gid}, home: line[5]}, nil
		}
	}
	if notNumber != nil {
		return nil, fmt.Errorf("user %s is not a uid and does not exist on the system", name)
	}
	return &who{uid: uid, gid: uid, groups: []uint32{uid}, home: "/"}, nil
}

func findGroup(name string) (uint32, error) {
	for _, line := range lines("/etc/group") {
		if len(line) >= 3 && line[0] == name {
			return number(line[2])
		}
	}
	gid, err := number(name)
	if err != nil {
		return 0, fmt.Errorf("group %s is not a gid and does not exist on the system", name)
	}
	return gid, nil
}

// owner is whom --chown names: USER, or USER:GROUP.
type owner struct {
	uid int
	gid int
}

func ownerOf(text string) (*owner, error) {
	name, group, given := strings.Cut(text, ":")
	user, err := findUser(name)
	if err != nil {
		return nil, fmt.Errorf("getting user group from chown: %w", err)
	}
	if !given {
		return &owner{uid: int(user.uid), gid: int(user.gid)}, nil
	}
	gid, err := findGroup(group)
	if err != nil {
		return nil, fmt.Errorf("getting user group from chown: %w", err)
	}
	return &owner{uid: int(user.uid), gid: int(gid)}, nil
}

func lines(path string) [][]string {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var found [][]string
	for line := range strings.Lines(string(content)) {
		found = append(found, strings.Split(strings.TrimSpace(line), ":"))
	}
	return found
}

func number(text string) (uint32, error) {
	found, err := strconv.ParseUint(text, 10, 32)
	return uint32(found), err
}
