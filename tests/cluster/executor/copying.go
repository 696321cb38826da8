package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// errFromContext begins what Kaniko says of files that are not there.
var errFromContext = errors.New("failed to get files used from context")

// copyOrder is a COPY, or an ADD of what lies in the context. `others` says that it has flags which
// are not known here.
type copyOrder struct {
	instructions.SourcesAndDest
	from   string
	chown  string
	chmod  string
	add    bool
	others bool
}

// item is something to copy. `name` is its path below what was named, "" for that itself.
type item struct {
	path string
	name string
	file fs.FileInfo
	text string
}

// source is where a COPY takes from. `key` tells of what that was made; "" for the context, where
// the files themselves tell.
type source struct {
	root    string
	key     string
	context *buildContext
}

func (s *stage) copyFiles(command instructions.Command, order copyOrder) error {
	if order.others {
		return fmt.Errorf("the test double does not know all flags of %s", text(command))
	}
	from, err := s.copySource(order.from)
	if err != nil {
		return fmt.Errorf("%w: %w", errFromContext, err)
	}
	words := append([]string{command.Name(), order.DestPath, order.chown, order.chmod}, order.SourcePaths...)
	if order.from == "" {
		items, err := from.items(order)
		if err != nil {
			return err
		}
		sum, err := digest(items)
		if err != nil {
			return err
		}
		words = append(words, sum)
	}
	return s.change(command, strings.Join(append(words, from.key), "\n"), func() (*change, error) {
		return s.copyInto(order, from)
	})
}

// copySource is the context, or a stage or an image, which is unpacked once for all that take
// something from it.
func (s *stage) copySource(from string) (*source, error) {
	if from == "" {
		return &source{root: s.context.root, context: s.context}, nil
	}
	made, err := s.source(from)
	if err != nil {
		return nil, err
	}
	root := fmt.Sprintf("%s/deps/%d", kanikoFolder, s.plan.number(from))
	if s.plan.number(from) < 0 {
		root = fmt.Sprintf("%s/deps/%x", kanikoFolder, sha256.Sum256([]byte(from)))
	}
	if _, err := os.Stat(root); err == nil {
		return &source{root: root, key: made.key}, nil
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, err
	}
	return &source{root: root, key: made.key}, unpack(made.image, root, nil)
}

// items are what the words of a COPY name, without what is left out. What has no wildcard must be
// there.
func (s *source) items(order copyOrder) ([]item, error) {
	found, err := s.named(order)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFromContext, err)
	}
	return found, nil
}

func (s *source) named(order copyOrder) ([]item, error) {
	if len(order.SourcePaths) > 1 && !strings.HasSuffix(order.DestPath, "/") && order.DestPath != "." {
		return nil, errors.New("when specifying multiple sources in a COPY command, destination must be" +
			" a directory and end in '/'")
	}
	var found []item
	for _, word := range order.SourcePaths {
		if strings.Contains(word, "://") {
			return nil, fmt.Errorf("the test double fetches nothing: %s", word)
		}
		paths, err := s.match(word)
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			below, err := s.below(path)
			if err != nil {
				return nil, err
			}
			found = append(found, below...)
		}
	}
	for _, content := range order.SourceContents {
		found = append(found, item{path: content.Path, text: content.Data})
	}
	return found, nil
}

func (s *source) match(word string) ([]string, error) {
	if strings.ContainsAny(word, "*?[") {
		info("Resolving srcs %s...", word)
		return filepath.Glob(filepath.Join(s.root, word))
	}
	path, err := s.path(word)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(path); err != nil {
		return nil, fmt.Errorf("failed to get fileinfo for %s: %w", path, err)
	}
	return []string{path}, nil
}

// path follows links above what is named, within the root.
func (s *source) path(word string) (string, error) {
	if path := filepath.Join(s.root, word); !strings.HasPrefix(path+"/", s.root+"/") {
		return path, nil
	}
	folder, err := resolve(s.root, filepath.Dir(filepath.Join("/", word)))
	return filepath.Join(folder, filepath.Base(filepath.Join("/", word))), err
}

func (s *source) below(top string) ([]item, error) {
	var found []item
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if s.context != nil && s.context.leavesOut(path) {
			if entry.IsDir() && !s.context.ignored.Exclusions() {
				return fs.SkipDir
			}
			return nil
		}
		file, err := entry.Info()
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(strings.TrimPrefix(path, top), "/")
		found = append(found, item{path: path, name: name, file: file})
		return nil
	})
	return found, err
}

// digest is of names, modes and contents, but not of times: a clone has new ones.
func digest(items []item) (string, error) {
	sum := sha256.New()
	for _, item := range items {
		fmt.Fprintf(sum, "%q %q %q\n", filepath.Base(item.path), item.name, item.text)
		if item.file == nil {
			continue
		}
		fmt.Fprintf(sum, "%v\n", item.file.Mode())
		if item.file.Mode()&fs.ModeSymlink != 0 {
			link, err := os.Readlink(item.path)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(sum, "%q\n", link)
		}
		if item.file.Mode().IsRegular() {
			if err := readInto(sum, item.path); err != nil {
				return "", err
			}
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil)), nil
}

func readInto(target io.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(target, file)
	return err
}

// copyInto copies to the folder that is named, into it, or to the name itself, as Docker has it.
func (s *stage) copyInto(order copyOrder, from *source) (*change, error) {
	items, err := from.items(order)
	if err != nil {
		return nil, err
	}
	copier, err := s.newCopier(order)
	if err != nil {
		return nil, err
	}
	target := order.DestPath
	if !filepath.IsAbs(target) {
		target = filepath.Join(s.workdir(), target)
	}
	intoFolder := strings.HasSuffix(order.DestPath, "/") || order.DestPath == "." ||
		len(order.SourcePaths)+len(order.SourceContents) > 1 || isFolder(target)
	for _, item := range items {
		path := filepath.Join(target, item.name)
		if item.name == "" && intoFolder && (item.file == nil || !item.file.IsDir()) {
			path = filepath.Join(target, filepath.Base(item.path))
		}
		if order.add && isArchive(item.path) {
			return nil, fmt.Errorf("the test double unpacks no archives: %s", item.path)
		}
		if err := copier.copy(item, path); err != nil {
			return nil, err
		}
	}
	return &change{written: copier.written}, nil
}

func (s *stage) newCopier(order copyOrder) (*copier, error) {
	found := &copier{kept: s.files.kept, keepOwner: order.from != ""}
	var err error
	if order.chown != "" {
		if found.owner, err = ownerOf(order.chown); err != nil {
			return nil, fmt.Errorf("getting user group from chown: %w", err)
		}
	}
	if order.chmod != "" {
		bits, err := strconv.ParseUint(order.chmod, 8, 12)
		if err != nil {
			return nil, fmt.Errorf("the test double takes a number for --chmod, not %s", order.chmod)
		}
		found.mode = new(uint32)
		*found.mode = uint32(bits)
	}
	return found, nil
}

func isFolder(path string) bool {
	file, err := os.Stat(path)
	return err == nil && file.IsDir()
}

// isArchive goes by the name, which is enough to refuse what ADD would unpack.
func isArchive(path string) bool {
	for _, end := range []string{".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst"} {
		if strings.HasSuffix(path, end) {
			return true
		}
	}
	return false
}
