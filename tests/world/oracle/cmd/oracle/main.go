// Answers as the kubelet would: which credentials it takes from pull Secrets for an image.
//
// Reads one question a line and writes one answer a line, both in JSON, so that thousands cost one process.
package main

import (
	"bufio"
	"encoding/json"
	"os"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/secrets"
	"k8s.io/kubernetes/pkg/util/parsers"
)

type question struct {
	Image   string   `json:"image"`
	Secrets []secret `json:"secrets"`
}

type secret struct {
	Name string            `json:"name"`
	Type string            `json:"type"`
	Data map[string][]byte `json:"data"`
}

type answer struct {
	// Name, tag and digest of the image, as the kubelet reads it.
	Reference []string `json:"reference"`
	// The keyring could not be made.
	Broken bool    `json:"broken"`
	Logins []login `json:"logins"`
}

type login struct {
	Secret   string `json:"secret"`
	Username string `json:"username"`
	Password string `json:"password"`
}

func main() {
	questions := json.NewDecoder(bufio.NewReader(os.Stdin))
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	answers := json.NewEncoder(out)
	for {
		var q question
		if err := questions.Decode(&q); err != nil {
			return
		}
		if err := answers.Encode(ask(q)); err != nil {
			panic(err)
		}
	}
}

func ask(q question) answer {
	repository, tag, digest, err := parsers.ParseImageName(q.Image)
	if err != nil {
		return answer{}
	}
	a := answer{Reference: []string{repository, tag, digest}}
	var pullSecrets []v1.Secret
	for _, s := range q.Secrets {
		pullSecrets = append(pullSecrets, v1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: s.Name},
			Type:       v1.SecretType(s.Type),
			Data:       s.Data,
		})
	}
	keyring, err := secrets.MakeDockerKeyring(pullSecrets, credentialprovider.UnionDockerKeyring{})
	if err != nil {
		a.Broken = true
		return a
	}
	found, _ := keyring.Lookup(repository)
	for _, l := range found {
		name := ""
		if l.Source != nil && l.Source.Secret != nil {
			name = l.Source.Secret.Name
		}
		a.Logins = append(a.Logins, login{Secret: name, Username: l.Username, Password: l.Password})
	}
	return a
}
