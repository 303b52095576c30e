// Asks kubelet's own keyring what it would try for an image. One question as JSON on standard input: a directory that
// is a node's root, the image, the pod's pull secrets in order; the answers of `Times` look-ups on standard output.
package main

import (
	"encoding/json"
	"log"
	"os"
	"syscall"

	core "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/secrets"
	"k8s.io/kubernetes/pkg/util/parsers"
)

type question struct {
	Node, KubeletRoot, Image string
	Secrets                  []core.Secret
	Times                    int
}

type answer struct {
	Repository string
	Error      string
	Candidates [][]credentialprovider.AuthConfig
}

func main() {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		log.Fatal(err)
	}
	if err := syscall.Chroot(asked.Node); err != nil {
		log.Fatal(err)
	}
	if err := os.Chdir("/"); err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(asked.answer()); err != nil {
		log.Fatal(err)
	}
}

func (asked question) answer() (found answer) {
	credentialprovider.SetPreferredDockercfgPath(asked.KubeletRoot)
	repository, _, _, err := parsers.ParseImageName(asked.Image)
	if err != nil {
		return answer{Error: err.Error()}
	}
	found.Repository = repository
	for i := 0; i < asked.Times; i++ {
		ring, err := secrets.MakeDockerKeyring(asked.Secrets, credentialprovider.NewDockerKeyring())
		if err != nil {
			return answer{Repository: repository, Error: err.Error()}
		}
		candidates, _ := ring.Lookup(repository)
		found.Candidates = append(found.Candidates, candidates)
	}
	return found
}
