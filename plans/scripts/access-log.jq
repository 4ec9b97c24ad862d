# What a monitor asks for every few seconds is left out; of the rest, the class of the status is what dashboards count.
if .user_agent.original // "" | startswith($monitor) then
  empty
else
  .http.class = "\(.http.status / 100 | floor)xx"
end
