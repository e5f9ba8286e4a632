package main

import (
	"fmt"
	"path"
	"strings"

	"gopkg.in/yaml.v3"
)

// codeProperty says which property of a resource names its local code.
var codeProperty = map[string]string{
	"AWS::Serverless::Function":     "CodeUri",
	"AWS::Serverless::LayerVersion": "ContentUri",
}

// artifact is a function or a layer whose code lies in a folder of the repository.
type artifact struct {
	LogicalID string
	Type      string
	Path      string // as in the template, cleaned, such as functions/login

	node *yaml.Node
}

func (a artifact) isFunction() bool { return a.Type == "AWS::Serverless::Function" }

// goPackage is the Go package of a function's code.
func (a artifact) goPackage() string { return "./" + a.Path }

// samTemplate is a SAM template that is changed in place of code locations only: everything else, the short forms of
// CloudFormation's functions (!Ref, !Sub …) included, stays as it was written.
type samTemplate struct {
	root      yaml.Node
	artifacts []artifact
}

func parseTemplate(data []byte) (*samTemplate, error) {
	t := &samTemplate{}
	if err := yaml.Unmarshal(data, &t.root); err != nil {
		return nil, fmt.Errorf("parse the template: %w", err)
	}
	if len(t.root.Content) != 1 {
		return nil, fmt.Errorf("the template is not one YAML document")
	}
	resources := child(t.root.Content[0], "Resources")
	if resources == nil {
		return nil, fmt.Errorf("the template has no Resources")
	}
	for i := 0; i+1 < len(resources.Content); i += 2 {
		id, resource := resources.Content[i].Value, resources.Content[i+1]
		kind := child(resource, "Type")
		if kind == nil || codeProperty[kind.Value] == "" {
			continue
		}
		location := child(child(resource, "Properties"), codeProperty[kind.Value])
		if location == nil || location.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("the template's %s has no %s that names a folder", id, codeProperty[kind.Value])
		}
		local := path.Clean(location.Value)
		if path.IsAbs(local) || strings.HasPrefix(local, "..") {
			return nil, fmt.Errorf("the template's %s takes its code from %s, which is outside the repository", id, location.Value)
		}
		t.artifacts = append(t.artifacts, artifact{LogicalID: id, Type: kind.Value, Path: local, node: location})
	}
	return t, nil
}

// child is the value of a key of a mapping, or nil.
func child(mapping *yaml.Node, key string) *yaml.Node {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// setDefaults makes the values the defaults of the parameters they belong to. The emulator's SAM translation does not
// get a stack's parameters and puts the defaults in the place of references to them.
func (t *samTemplate) setDefaults(values map[string]string) error {
	parameters := child(t.root.Content[0], "Parameters")
	for name, value := range values {
		parameter := child(parameters, name)
		if parameter == nil || parameter.Kind != yaml.MappingNode {
			return fmt.Errorf("the template has no parameter %s", name)
		}
		node := child(parameter, "Default")
		if node == nil {
			node = &yaml.Node{}
			parameter.Content = append(parameter.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "Default"}, node)
		}
		node.SetString(value)
	}
	return nil
}

// widenMail allows roles that may send e-mail to send it as anybody: the emulator, which enforces policies, asks about
// ses:SendEmail for the resource * and not for an identity, and does not say who the sender is.
func (t *samTemplate) widenMail() {
	var walk func(*yaml.Node)
	walk = func(n *yaml.Node) {
		if action, resource := child(n, "Action"), child(n, "Resource"); action != nil && resource != nil && action.Value == "ses:SendEmail" {
			*resource = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "*", Style: yaml.SingleQuotedStyle}
			if condition := child(n, "Condition"); condition != nil {
				*condition = yaml.Node{Kind: yaml.MappingNode}
			}
		}
		for _, inner := range n.Content {
			walk(inner)
		}
	}
	walk(&t.root)
}

// pack is the template with every code location replaced by an object in a bucket, which is what `sam package` does.
// keys maps logical IDs to object keys.
func (t *samTemplate) pack(bucket string, keys map[string]string) ([]byte, error) {
	for _, a := range t.artifacts {
		key, ok := keys[a.LogicalID]
		if !ok {
			return nil, fmt.Errorf("no code was built for %s", a.LogicalID)
		}
		// Functions and layers name the parts of an object's address alike.
		object := map[string]string{"Bucket": bucket, "Key": key}
		if err := a.node.Encode(object); err != nil {
			return nil, err
		}
	}
	return yaml.Marshal(&t.root)
}
