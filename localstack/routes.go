package main

import (
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strings"

	"gopkg.in/yaml.v3"
)

// The emulator ignores the Body of an AWS::ApiGatewayV2::Api, an OpenAPI document that SAM puts together from the
// functions' HttpApi events: no routes, no integrations, no CORS. This file reads them from the translated template,
// so that they can be made with the API Gateway API instead.

// httpAPI is what the Body of one API says.
type httpAPI struct {
	LogicalID string
	Routes    []route // sorted by key
	CORS      *corsRules
}

// route leads requests to a function.
type route struct {
	Key           string // such as "POST /login"
	Function      string // logical ID
	PayloadFormat string
}

type corsRules struct {
	AllowOrigins, AllowMethods, AllowHeaders, ExposeHeaders []string
	MaxAge                                                  int32
	AllowCredentials                                        bool
}

// functionArn finds the logical ID in an integration's URI,
// arn:…:lambda:path/2015-03-31/functions/${LoginFunction.Arn}/invocations.
var functionArn = regexp.MustCompile(`\$\{(\w+)\.Arn\}`)

// httpAPIs reads the HTTP APIs of a template as CloudFormation gives it back after its transforms, in JSON or YAML.
// Parameters are needed for what the Body says with references and conditions.
func httpAPIs(processed []byte, parameters map[string]string) ([]httpAPI, error) {
	var doc struct {
		Parameters map[string]struct {
			Default any `yaml:"Default"`
		} `yaml:"Parameters"`
		Conditions map[string]any `yaml:"Conditions"`
		Resources  map[string]struct {
			Type       string         `yaml:"Type"`
			Properties map[string]any `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(processed, &doc); err != nil {
		return nil, fmt.Errorf("parse the translated template: %w", err)
	}
	values := map[string]string{}
	for name, parameter := range doc.Parameters {
		if parameter.Default != nil {
			values[name] = fmt.Sprint(parameter.Default)
		}
	}
	for name, value := range parameters {
		values[name] = value
	}
	resolve := resolver{parameters: values, conditions: doc.Conditions}

	var apis []httpAPI
	for id, resource := range doc.Resources {
		if resource.Type != "AWS::ApiGatewayV2::Api" {
			continue
		}
		body, ok := resource.Properties["Body"].(map[string]any)
		if !ok {
			continue
		}
		api, err := parseBody(id, body, resolve)
		if err != nil {
			return nil, fmt.Errorf("read the API %s: %w", id, err)
		}
		apis = append(apis, api)
	}
	if len(apis) == 0 {
		return nil, errors.New("the translated template has no HTTP API with a Body")
	}
	sort.Slice(apis, func(i, j int) bool { return apis[i].LogicalID < apis[j].LogicalID })
	return apis, nil
}

func parseBody(id string, body map[string]any, resolve resolver) (httpAPI, error) {
	api := httpAPI{LogicalID: id}
	paths, _ := body["paths"].(map[string]any)
	for path, item := range paths {
		operations, _ := item.(map[string]any)
		for method, operation := range operations {
			r, err := parseOperation(path, method, operation)
			if err != nil {
				return httpAPI{}, err
			}
			api.Routes = append(api.Routes, r)
		}
	}
	sort.Slice(api.Routes, func(i, j int) bool { return api.Routes[i].Key < api.Routes[j].Key })

	raw, ok := body["x-amazon-apigateway-cors"]
	if !ok {
		return api, nil
	}
	resolved, err := resolve.value(raw)
	if err != nil {
		return httpAPI{}, fmt.Errorf("CORS: %w", err)
	}
	text, err := yaml.Marshal(resolved)
	if err != nil {
		return httpAPI{}, err
	}
	var cors struct {
		AllowOrigins     []string `yaml:"allowOrigins"`
		AllowMethods     []string `yaml:"allowMethods"`
		AllowHeaders     []string `yaml:"allowHeaders"`
		ExposeHeaders    []string `yaml:"exposeHeaders"`
		MaxAge           int32    `yaml:"maxAge"`
		AllowCredentials bool     `yaml:"allowCredentials"`
	}
	if err := yaml.Unmarshal(text, &cors); err != nil {
		return httpAPI{}, fmt.Errorf("CORS: %w", err)
	}
	api.CORS = (*corsRules)(&cors)
	return api, nil
}

func parseOperation(path, method string, operation any) (route, error) {
	key := strings.ToUpper(method) + " " + path
	switch {
	case path == "/$default":
		key = "$default"
	case method == "x-amazon-apigateway-any-method":
		key = "ANY " + path
	}
	fields, _ := operation.(map[string]any)
	integration, _ := fields["x-amazon-apigateway-integration"].(map[string]any)
	if integration["type"] != "aws_proxy" {
		return route{}, fmt.Errorf("%s has no Lambda proxy integration", key)
	}
	match := functionArn.FindStringSubmatch(fmt.Sprint(integration["uri"]))
	if match == nil {
		return route{}, fmt.Errorf("%s leads to %v, which names no function of the template", key, integration["uri"])
	}
	format, _ := integration["payloadFormatVersion"].(string)
	return route{Key: key, Function: match[1], PayloadFormat: format}, nil
}

// resolver evaluates the few of CloudFormation's functions that the settings of an API are written with.
type resolver struct {
	parameters map[string]string
	conditions map[string]any
}

func (r resolver) value(v any) (any, error) {
	switch v := v.(type) {
	case []any:
		list := make([]any, 0, len(v))
		for _, element := range v {
			resolved, err := r.value(element)
			if err != nil {
				return nil, err
			}
			list = append(list, resolved)
		}
		return list, nil
	case map[string]any:
		if name, argument, ok := function(v); ok {
			return r.call(name, argument)
		}
		mapping := make(map[string]any, len(v))
		for key, element := range v {
			resolved, err := r.value(element)
			if err != nil {
				return nil, err
			}
			mapping[key] = resolved
		}
		return mapping, nil
	}
	return v, nil
}

// function takes a mapping apart that stands for a call, {"Ref": …} or {"Fn::…": …}.
func function(v map[string]any) (name string, argument any, ok bool) {
	if len(v) != 1 {
		return "", nil, false
	}
	for key, value := range v {
		if key == "Ref" || key == "Condition" || strings.HasPrefix(key, "Fn::") {
			return key, value, true
		}
	}
	return "", nil, false
}

func (r resolver) call(name string, argument any) (any, error) {
	list, _ := argument.([]any)
	switch {
	case name == "Ref":
		text, ok := r.parameters[fmt.Sprint(argument)]
		if !ok {
			return nil, fmt.Errorf("unknown parameter %v", argument)
		}
		return text, nil
	case name == "Condition":
		definition, ok := r.conditions[fmt.Sprint(argument)]
		if !ok {
			return nil, fmt.Errorf("unknown condition %v", argument)
		}
		return r.value(definition)
	case name == "Fn::If" && len(list) == 3:
		holds, err := r.call("Condition", list[0])
		if err != nil {
			return nil, err
		}
		if holds == true {
			return r.value(list[1])
		}
		return r.value(list[2])
	case name == "Fn::Not" && len(list) == 1:
		holds, err := r.value(list[0])
		return holds != true, err
	case name == "Fn::Equals" && len(list) == 2:
		both, err := r.value(list)
		if err != nil {
			return nil, err
		}
		pair := both.([]any)
		return fmt.Sprint(pair[0]) == fmt.Sprint(pair[1]), nil
	}
	return nil, fmt.Errorf("%s is not understood here", name)
}
